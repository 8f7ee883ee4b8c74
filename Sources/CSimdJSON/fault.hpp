#pragma once
#include "csimdjson.h"
#include <vector>

/// Looks for the first fault of a message that was refused, byte by byte and by RFC 8259 alone. It is as long as the
/// message, and runs only where there is an error to write.
class FaultScan {
public:
    uint32_t depth, values;
    bool takes_wide;
    bool finds_infinite;     // whether numbers are asked for that no double holds
    uint64_t duplicate_key;  // which key of the message stands twice, counted from 1; 0 is none

    cjson_fault run(const uint8_t *bytes, size_t count);
    /// The bytes of the number that `bytes` begin with; 0 where it is none, or one that JSON's readers hold.
    size_t large_number(const uint8_t *bytes, size_t count);

private:
    enum Next { value_or_end, key_or_end, a_value, a_key, comma_or_end, done, broken };

    const uint8_t *bytes = nullptr;
    size_t count = 0, at = 0;
    cjson_fault fault = {CJSON_OK, 0, -1};
    std::vector<bool> open;  // innermost last; whether it is an object
    uint64_t seen = 0, keys = 0;
    unsigned ids = 0;        // keys at the top that are, or may be, `id`
    bool at_id = false;      // whether the next value is the id's
    int64_t id = -1;         // of a value whose end is not seen yet

    Next step(Next);
    Next key();
    Next value();
    Next close();
    Next unexpected();
    void note(cjson_status, size_t offset);
    void skip_space();
    bool string();
    void escape();
    Next number();
    void judge(size_t start, bool is_whole);
    size_t sequence(size_t offset) const;
};

/// Writes 1e308 in the place of each number that no double and no 64-bit integer holds, with its sign, and blanks
/// behind it. False where there is none.
bool replace_large_numbers(std::vector<uint8_t> &bytes);

/// Writes U+0000 in the place of each half of a surrogate pair, and keeps the length. False where there is none.
bool replace_half_surrogates(std::vector<uint8_t> &bytes);
