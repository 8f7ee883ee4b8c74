#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

/// Finds an object's duplicate keys in time linear in their bytes, whichever keys a sender chooses.
class KeyCheck {
public:
    /// The index of a key that equals an earlier one; `count` if there is none.
    size_t duplicate(const std::string_view *keys, size_t count);

private:
    struct Slot {
        uint32_t hash, number;  // number counts from 1; 0 is free
    };
    size_t duplicate_hashed(const std::string_view *keys, size_t count);
    std::vector<Slot> slots;
};
