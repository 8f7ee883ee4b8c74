#pragma once
#include "csimdjson.h"
#include <vector>

/// Finds the first fault of a refused message, byte by byte and strictly by RFC 8259. Takes time proportional to the
/// message, and runs only to report an error.
class FaultScan {
public:
    uint32_t depth, values;
    bool takes_wide;
    bool finds_infinite;     // whether to find numbers that no double holds
    uint64_t duplicate_key;  // the number of the duplicate key, from 1; 0 if there is none

    cjson_fault run(const uint8_t *bytes, size_t count);
    /// The length of the number at the start of `bytes`; 0 if there is none, or if a double holds it.
    size_t large_number(const uint8_t *bytes, size_t count);

private:
    enum Next { value_or_end, key_or_end, a_value, a_key, comma_or_end, done, broken };

    const uint8_t *bytes = nullptr;
    size_t count = 0, at = 0;
    cjson_fault fault = {CJSON_OK, 0, -1};
    std::vector<bool> open;  // whether each open container is an object; innermost last
    uint64_t seen = 0, keys = 0;
    unsigned ids = 0;        // top-level keys that are, or may be, `id`
    bool at_id = false;      // whether the next value is the id
    int64_t id = -1;         // the id, if its value has ended

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
    void check_range(size_t start, bool is_whole);
    size_t sequence(size_t offset) const;
};

/// Replaces each number that neither a double nor a 64-bit integer holds by 1e308 with its sign, padded with blanks.
/// False if there is none.
bool replace_large_numbers(std::vector<uint8_t> &bytes);

/// Replaces each half of a surrogate pair by U+0000, without changing the length. False if there is none.
bool replace_half_surrogates(std::vector<uint8_t> &bytes);
