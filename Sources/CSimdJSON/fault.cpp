#include "fault.hpp"
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }

/// The value of four hexadecimal digits; -1 if they are not.
int32_t unit(const uint8_t *digits) {
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = digits[i], low = c | 0x20;
        if (!is_digit(c) && !(low >= 'a' && low <= 'f')) return -1;
        value = value << 4 | (is_digit(c) ? c - '0' : low - 'a' + 10);
    }
    return value;
}

constexpr uint64_t largest_id = uint64_t(1) << 53;

}

cjson_fault FaultScan::run(const uint8_t *message, size_t length) {
    bytes = message;
    count = length;
    if (count >= 3 && std::memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        note(CJSON_BYTE_ORDER_MARK, 0);
        at = 3;
    }
    skip_space();
    if (at < count && bytes[at] != '{') {
        note(CJSON_NOT_AN_OBJECT, at);
        return fault;
    }
    Next next = a_value;
    while (next != done && next != broken) next = step(next);
    if (next == done) skip_space();
    bool is_alone = next != done || at == count;  // a second message in the frame might have another id
    if (!is_alone) unexpected();
    if (ids != 1 || !is_alone) fault.id = -1;
    return fault;
}

FaultScan::Next FaultScan::step(Next next) {
    skip_space();
    if (at == count) {
        note(CJSON_CUT, at);
        return broken;
    }
    uint8_t c = bytes[at];
    switch (next) {
    case key_or_end: return c == '}' ? close() : key();
    case a_key: return key();
    case value_or_end: return c == ']' ? close() : value();
    case a_value: return value();
    default: break;
    }
    if (open.size() == 1 && id >= 0 && (c == ',' || c == '}')) {
        fault.id = id;
        id = -1;
    }
    if (c == (open.back() ? '}' : ']')) return close();
    if (c != ',') return unexpected();
    at++;
    return open.back() ? a_key : a_value;
}

FaultScan::Next FaultScan::key() {
    if (bytes[at] != '"') return unexpected();
    size_t start = at;
    if (++keys == duplicate_key) note(CJSON_DUPLICATE_KEY, at);
    if (!string()) return broken;
    if (open.size() == 1) {
        size_t length = at - start;
        at_id = length == 4 && std::memcmp(bytes + start, "\"id\"", 4) == 0;
        // A key with escapes may be `id` too.
        if (at_id || std::memchr(bytes + start, '\\', length)) ids++;
    }
    skip_space();
    if (at == count) {
        note(CJSON_CUT, at);
        return broken;
    }
    if (bytes[at] != ':') return unexpected();
    at++;
    return a_value;
}

FaultScan::Next FaultScan::value() {
    if (++seen > values) note(CJSON_VALUES, at);
    bool is_id = at_id;
    at_id = false;
    uint8_t c = bytes[at];
    switch (c) {
    case '{':
    case '[':
        if (open.size() >= depth) note(CJSON_DEPTH, at);
        open.push_back(c == '{');
        at++;
        return c == '{' ? key_or_end : value_or_end;
    case '"': return string() ? comma_or_end : broken;
    case 't':
    case 'f':
    case 'n': {
        const char *word = c == 't' ? "true" : c == 'f' ? "false" : "null";
        for (; *word; word++, at++)
            if (at == count || bytes[at] != uint8_t(*word)) return unexpected();
        return comma_or_end;
    }
    default: break;
    }
    if (c != '-' && !is_digit(c)) return unexpected();
    size_t start = at;
    Next next = number();
    if (!is_id || next == broken || at - start > 16) return next;
    uint64_t digits = 0;
    for (size_t i = start; i < at; i++) {
        if (!is_digit(bytes[i])) return next;
        digits = 10 * digits + (bytes[i] - '0');
    }
    if (digits <= largest_id) id = int64_t(digits);
    return next;
}

FaultScan::Next FaultScan::close() {
    open.pop_back();
    at++;
    return open.empty() ? done : comma_or_end;
}

FaultScan::Next FaultScan::unexpected() {
    if (at == count)
        note(CJSON_CUT, at);
    else
        note(bytes[at] >= 0x80 && sequence(at) == 0 ? CJSON_ENCODING : CJSON_SYNTAX, at);
    return broken;
}

void FaultScan::note(cjson_status status, size_t offset) {
    if (fault.status == CJSON_OK) fault.status = status, fault.offset = offset;
}

void FaultScan::skip_space() {
    while (at < count && (bytes[at] == ' ' || bytes[at] == '\t' || bytes[at] == '\n' || bytes[at] == '\r')) at++;
}

/// Skips a string, including errors in it, because its end is always certain. False if it does not end.
bool FaultScan::string() {
    for (at++; at < count;) {
        uint8_t c = bytes[at];
        if (c == '"') {
            at++;
            return true;
        }
        if (c == '\\') {
            escape();
        } else if (c < 0x20) {
            note(CJSON_CONTROL, at++);
        } else if (c < 0x80) {
            at++;
        } else if (size_t length = sequence(at)) {
            at += length;
        } else {
            note(CJSON_ENCODING, at++);
        }
    }
    at = count;
    note(CJSON_CUT, at);
    return false;
}

void FaultScan::escape() {
    uint8_t c = at + 1 < count ? bytes[at + 1] : 0;
    if (c == 'u' && at + 6 <= count && unit(bytes + at + 2) >= 0) {
        at += 6;
        return;
    }
    if (c == 'u' || !c || !std::strchr("\"\\/bfnrt", c)) note(CJSON_ESCAPE, at);
    at += c < 0x20 || c >= 0x80 ? 1 : 2;  // the next character is checked separately
}

FaultScan::Next FaultScan::number() {
    size_t start = at;
    bool is_whole = true;
    auto digits = [this] {
        size_t first = at;
        while (at < count && is_digit(bytes[at])) at++;
        return at > first;
    };
    auto take = [this](const char *characters) {
        if (at == count || !bytes[at] || !std::strchr(characters, bytes[at])) return false;
        at++;
        return true;
    };
    take("-");
    if (!take("0") && !digits()) return unexpected();
    if (take(".")) {
        is_whole = false;
        if (!digits()) return unexpected();
    }
    if (take("eE")) {
        is_whole = false;
        take("+-");
        if (!digits()) return unexpected();
    }
    check_range(start, is_whole);
    return comma_or_end;
}

void FaultScan::check_range(size_t start, bool is_whole) {
    if (!is_whole) {
        if (!finds_infinite) return;
        std::string text(reinterpret_cast<const char *>(bytes + start), at - start);
        if (!std::isfinite(std::strtod(text.c_str(), nullptr))) note(CJSON_NUMBER, start);
        return;
    }
    bool is_negative = bytes[start] == '-';
    size_t first = start + is_negative;
    unsigned __int128 digits = 0;
    for (size_t i = first; i < at && i < first + 21; i++) digits = 10 * digits + (bytes[i] - '0');
    unsigned __int128 most = is_negative ? uint64_t(1) << 63 : ~uint64_t(0);
    if (at - first > 20 || digits > most) return note(CJSON_NUMBER, start);
    if (!takes_wide && digits > largest_id) note(CJSON_BIG_INTEGER, start);
}

/// The bytes of the UTF-8 sequence that begins at an offset, by the table of Unicode 3.9 (D92); 0 if it is invalid.
size_t FaultScan::sequence(size_t offset) const {
    uint8_t c = bytes[offset];
    size_t length = c >= 0xC2 && c <= 0xDF ? 2 : c >= 0xE0 && c <= 0xEF ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (length == 0 || length > count - offset) return 0;
    uint8_t least = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    uint8_t most = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (bytes[offset + 1] < least || bytes[offset + 1] > most) return 0;
    for (size_t i = 2; i < length; i++)
        if ((bytes[offset + i] & 0xC0) != 0x80) return 0;
    return length;
}

size_t FaultScan::large_number(const uint8_t *message, size_t length) {
    bytes = message;
    count = length;
    at = 0;
    fault = {CJSON_OK, 0, -1};
    return number() != broken && fault.status == CJSON_NUMBER ? at : 0;
}

bool replace_large_numbers(std::vector<uint8_t> &bytes) {
    FaultScan scan;
    scan.takes_wide = scan.finds_infinite = true;
    bool found = false, in_string = false;
    for (size_t at = 0; at < bytes.size(); at++) {
        uint8_t c = bytes[at];
        if (c == '"') in_string = !in_string;
        if (in_string) {
            at += c == '\\';
            continue;
        }
        if (c != '-' && !is_digit(c)) continue;
        size_t end = at;
        while (end < bytes.size() && (is_digit(bytes[end]) || (bytes[end] && std::strchr("+-.eE", bytes[end])))) end++;
        size_t length = scan.large_number(bytes.data() + at, end - at);
        if (length == end - at) {  // at least five bytes after a sign: 1e309
            std::memset(bytes.data() + at, ' ', length);
            if (c == '-') bytes[at] = '-';
            std::memcpy(bytes.data() + at + (c == '-'), "1e308", 5);
            found = true;
        }
        at = end - 1;
    }
    return found;
}

bool replace_half_surrogates(std::vector<uint8_t> &bytes) {
    uint8_t *start = bytes.data(), *end = start + bytes.size(), *at = start;
    bool found = false;
    while (at < end && (at = static_cast<uint8_t *>(std::memchr(at, '\\', size_t(end - at))))) {
        int32_t first = end - at >= 6 && at[1] == 'u' ? unit(at + 2) : -1;
        if (first < 0) {
            at += 2;
            continue;
        }
        int32_t second = end - at >= 12 && at[6] == '\\' && at[7] == 'u' ? unit(at + 8) : -1;
        bool is_half = first >= 0xD800 && first <= 0xDFFF;
        bool is_pair = is_half && first < 0xDC00 && second >= 0xDC00 && second <= 0xDFFF;
        if (is_half && !is_pair) {
            std::memcpy(at + 2, "0000", 4);
            found = true;
        }
        at += is_pair ? 12 : 6;
    }
    return found;
}
