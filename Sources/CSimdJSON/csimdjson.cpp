#include "csimdjson.h"
#include "fault.hpp"
#include "keys.hpp"
#include <cmath>
#include <cstring>
#include <new>
#include <simdjson.h>
#include <string_view>
#include <vector>

using namespace simdjson;

namespace {

constexpr int64_t largest_integer = int64_t(1) << 53;
constexpr size_t largest_message = size_t(1) << 30;  // simdjson's buffer takes 5/3 of it; offsets have 32 bits

struct Open {
    uint32_t node;       // the container
    uint32_t first_key;  // of an object, in `keys`
};

}

struct cjson_reader {
    dom::parser parser;
    uint32_t depth, values;
    bool takes_wide;        // accept integers outside of ±2^53
    uint32_t seen = 0;      // values in this message so far
    bool escapes = false;   // whether this message has any; without them no string contains U+0000
    uint64_t duplicate_key = 0;  // the number of the duplicate key, from 1
    bool in_object = false; // whether the innermost container is an object
    bool key_next = false;  // whether the next string is a key
    std::vector<cjson_node> nodes;
    std::vector<Open> open;               // innermost last
    std::vector<std::string_view> keys;   // of the objects that are open
    KeyCheck check;
    std::vector<uint8_t> replaced;        // the message with halves of surrogate pairs and too large numbers replaced

    cjson_status parse(const uint8_t *bytes, size_t count);
    cjson_status walk();
    cjson_status value(char type, uint64_t entry, const uint64_t *raw);
    cjson_status number(double);
    cjson_status integer(int64_t);
    cjson_status text(uint64_t offset, cjson_kind);
    cjson_status begin(bool object);
    cjson_status end();
    cjson_status is_twice(std::string_view key);
    cjson_node &add(cjson_kind);
};

/// One pass over simdjson's tape, a flat list of tagged words (its doc/tape.md). It is a loop without recursion, so a
/// message can't exhaust the stack.
cjson_status cjson_reader::walk() {
    const uint64_t *tape = parser.doc.tape.get();
    nodes.clear();
    open.clear();
    keys.clear();
    seen = 0;
    in_object = key_next = false;
    if (char(tape[1] >> 56) != '{') return CJSON_NOT_AN_OBJECT;
    for (size_t i = 1;; i++) {
        char type = char(tape[i] >> 56);
        if (type == 'r') return CJSON_OK;
        if (auto status = value(type, tape[i] & internal::JSON_VALUE_MASK, tape + i + 1)) return status;
        if (type == 'l' || type == 'u' || type == 'd') i++;  // the value is in the next word
    }
}

cjson_status cjson_reader::value(char type, uint64_t entry, const uint64_t *raw) {
    if (key_next && type == '"') {
        key_next = false;
        return text(entry, CJSON_KEY);
    }
    if (type == '}' || type == ']') return end();
    if (++seen > values) return CJSON_VALUES;
    key_next = in_object;
    if (!open.empty()) nodes[open.back().node].count++;
    switch (type) {
    case '{': return begin(true);
    case '[': return begin(false);
    case '"': return text(entry, CJSON_STRING);
    case 'n': add(CJSON_NULL); return CJSON_OK;
    case 't': add(CJSON_TRUE); return CJSON_OK;
    case 'f': add(CJSON_FALSE); return CJSON_OK;
    case 'l': {
        int64_t n;
        std::memcpy(&n, raw, sizeof n);
        return integer(n);
    }
    case 'd': {
        double n;
        std::memcpy(&n, raw, sizeof n);
        return number(n);
    }
    case 'u': {  // simdjson uses this type only from 2^63
        uint64_t n;
        std::memcpy(&n, raw, sizeof n);
        return takes_wide ? number(double(n)) : CJSON_BIG_INTEGER;
    }
    default: return CJSON_SYNTAX;        // a type of a newer simdjson
    }
}

cjson_node &cjson_reader::add(cjson_kind kind) {
    nodes.push_back(cjson_node{});
    auto &node = nodes.back();
    node.kind = kind;
    node.next = uint32_t(nodes.size());
    return node;
}

cjson_status cjson_reader::integer(int64_t n) {
    bool is_wide = n < -largest_integer || n > largest_integer;
    if (is_wide && !takes_wide) return CJSON_BIG_INTEGER;
    add(is_wide ? CJSON_WIDE_INTEGER : CJSON_INTEGER).integer = n;
    return CJSON_OK;
}

cjson_status cjson_reader::number(double n) {
    if (!std::isfinite(n)) return CJSON_NUMBER;
    add(CJSON_DOUBLE).number = n;
    return CJSON_OK;
}

cjson_status cjson_reader::text(uint64_t offset, cjson_kind kind) {
    const uint8_t *start = parser.doc.string_buf.get() + offset;
    uint32_t length;  // precedes the characters
    std::memcpy(&length, start, sizeof length);
    auto characters = reinterpret_cast<const char *>(start + sizeof length);
    // Keys with U+0000 are not compared: they replace different halves of surrogate pairs, which are different keys.
    if (kind == CJSON_KEY && !(escapes && std::memchr(characters, 0, length))) keys.emplace_back(characters, length);
    add(kind).text = {uint32_t(offset + sizeof length), length};
    return CJSON_OK;
}

cjson_status cjson_reader::begin(bool object) {
    if (open.size() >= depth) return CJSON_DEPTH;
    open.push_back({uint32_t(nodes.size()), uint32_t(keys.size())});
    add(object ? CJSON_OBJECT : CJSON_ARRAY).count = 0;
    in_object = key_next = object;
    return CJSON_OK;
}

cjson_status cjson_reader::end() {
    auto container = open.back();
    open.pop_back();
    nodes[container.node].next = uint32_t(nodes.size());
    in_object = !open.empty() && nodes[open.back().node].kind == CJSON_OBJECT;
    key_next = in_object;
    if (nodes[container.node].kind != CJSON_OBJECT) return CJSON_OK;
    size_t count = keys.size() - container.first_key;
    size_t duplicate = check.duplicate(keys.data() + container.first_key, count);
    if (duplicate < count) return is_twice(keys[container.first_key + duplicate]);
    keys.resize(container.first_key);
    return CJSON_OK;
}

/// Records the position of this key among the message's keys.
cjson_status cjson_reader::is_twice(std::string_view key) {
    const uint8_t *start = parser.doc.string_buf.get();
    auto offset = uint32_t(reinterpret_cast<const uint8_t *>(key.data()) - start);
    duplicate_key = 0;
    for (const auto &node : nodes) {
        duplicate_key += node.kind == CJSON_KEY;
        if (node.kind == CJSON_KEY && node.text.offset == offset) break;
    }
    return CJSON_DUPLICATE_KEY;
}

cjson_status cjson_reader::parse(const uint8_t *bytes, size_t count) {
    auto error = parser.parse(bytes, count).error();
    if (error == STRING_ERROR || (error == NUMBER_ERROR && takes_wide)) {
        replaced.assign(bytes, bytes + count);
        bool has_halves = replace_half_surrogates(replaced);
        bool has_large = takes_wide && replace_large_numbers(replaced);
        if (has_halves || has_large) error = parser.parse(replaced.data(), count).error();
        replaced.clear();
    }
    switch (error) {
    case SUCCESS: return CJSON_OK;
    case DEPTH_ERROR: return CJSON_DEPTH;
    case CAPACITY: return CJSON_LENGTH;
    case MEMALLOC: return CJSON_MEMORY;
    case NUMBER_ERROR: return CJSON_NUMBER;
    default: return CJSON_SYNTAX;
    }
}

cjson_reader *cjson_reader_new(uint32_t depth, uint32_t values, bool takes_wide) {
    try {
        auto reader = new cjson_reader{dom::parser(), depth, values, takes_wide};
        // One level more than our limit, so that our own count always refuses first.
        if (reader->parser.allocate(1024, size_t(depth) + 1) == SUCCESS) return reader;
        delete reader;
    } catch (...) {}
    return nullptr;
}

void cjson_reader_free(cjson_reader *reader) { delete reader; }

cjson_status cjson_read(cjson_reader *reader, const uint8_t *bytes, size_t count, cjson_table *table) {
    try {
        if (count > largest_message) return CJSON_LENGTH;
        if (count >= 3 && std::memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) return CJSON_BYTE_ORDER_MARK;
        if (count == 0) return CJSON_SYNTAX;
        if (auto status = reader->parse(bytes, count)) return status;
        reader->escapes = std::memchr(bytes, '\\', count) != nullptr;
        auto status = reader->walk();
        *table = {reader->nodes.data(), reader->parser.doc.string_buf.get()};
        return status;
    } catch (...) {
        return CJSON_MEMORY;
    }
}

cjson_fault cjson_find_fault(cjson_reader *reader, const uint8_t *bytes, size_t count, cjson_status status) {
    try {
        FaultScan scan;
        scan.depth = reader->depth;
        scan.values = reader->values;
        scan.takes_wide = reader->takes_wide;
        scan.finds_infinite = status == CJSON_NUMBER;
        scan.duplicate_key = status == CJSON_DUPLICATE_KEY ? reader->duplicate_key : 0;
        return scan.run(bytes, count);
    } catch (...) {
        return {CJSON_OK, 0, -1};
    }
}

void cjson_trim(cjson_reader *reader, size_t bytes) {
    if (reader->parser.capacity() <= bytes) return;
    size_t depth = reader->parser.max_depth();
    reader->parser = dom::parser();
    (void)reader->parser.allocate(1024, depth);  // if this fails, the next read reports it
    reader->nodes = {};
    reader->keys = {};
    reader->check = {};
    reader->replaced = {};
}
