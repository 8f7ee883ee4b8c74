#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

/// Finds an object's duplicate keys, in time that grows with their bytes whatever the sender chose them to be.
class KeyCheck {
public:
    /// The index of a key that stands at a smaller one too; `count` where there is none.
    size_t duplicate(const std::string_view *keys, size_t count);

private:
    struct Slot {
        uint32_t hash, number;  // number counts from 1; 0 is free
    };
    size_t duplicate_hashed(const std::string_view *keys, size_t count);
    std::vector<Slot> slots;
};
