#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Reads strict JSON into a flat table. Belongs to one thread at a time.
typedef struct cjson_reader cjson_reader;

typedef enum {
    CJSON_OK = 0,
    CJSON_SYNTAX,           // not JSON; of a fault: an unexpected character
    CJSON_ENCODING,         // not UTF-8
    CJSON_CONTROL,          // a control character in a string
    CJSON_ESCAPE,           // an unknown escape
    CJSON_CUT,              // the message ends too early
    CJSON_BYTE_ORDER_MARK,
    CJSON_NUMBER,           // a number that JSON does not allow, or that no double holds
    CJSON_BIG_INTEGER,      // an integer outside of ±2^53
    CJSON_DUPLICATE_KEY,
    CJSON_NOT_AN_OBJECT,    // at the top level
    CJSON_DEPTH,
    CJSON_VALUES,           // more values than the reader's limit
    CJSON_LENGTH,           // more bytes than the table's offsets can address
    CJSON_MEMORY,
} cjson_status;

typedef enum {
    CJSON_NULL = 0,
    CJSON_FALSE,
    CJSON_TRUE,
    CJSON_INTEGER,
    CJSON_DOUBLE,
    CJSON_STRING,
    CJSON_ARRAY,
    CJSON_OBJECT,
    CJSON_KEY,              // precedes its value
    CJSON_WIDE_INTEGER,     // outside of ±2^53, from a reader that accepts them
} cjson_kind;

/// A value or a key. A container precedes its content; `next` is the index after the content, which skips it.
typedef struct {
    uint32_t kind;
    uint32_t next;
    union {
        int64_t integer;  // of CJSON_INTEGER and CJSON_WIDE_INTEGER
        double number;
        struct { uint32_t offset, length; } text;  // of CJSON_STRING and CJSON_KEY, in `strings`, unescaped
        uint64_t count;                            // of the values in an array or object
    };
} cjson_node;

/// What is wrong with a refused message, and its id if that is certain.
typedef struct {
    cjson_status status;  // CJSON_OK if no fault was found
    uint64_t offset;      // of the faulty byte, from 0
    int64_t id;           // of the field `id` if it is certain, else -1
} cjson_fault;

/// The result of a read; valid until the reader's next call.
typedef struct {
    const cjson_node *nodes;  // the first is the top-level object
    const uint8_t *strings;
} cjson_table;

/// Null when there is no memory. Numbers outside of the range of doubles and integers outside of ±2^53 are refused
/// unless `takes_wide`; integers from 2^63 are CJSON_DOUBLE then, and what no double holds, or no integer of 64 bits,
/// is ±1e308.
cjson_reader *cjson_reader_new(uint32_t depth, uint32_t values, bool takes_wide);
void cjson_reader_free(cjson_reader *);
/// Half of a surrogate pair (`\ud800`) is read as U+0000: text can contain neither, and code that takes a string checks
/// for U+0000.
cjson_status cjson_read(cjson_reader *, const uint8_t *bytes, size_t count, cjson_table *table);
/// Describes the fault of a message that `cjson_read` has just refused with this status.
///
/// The id is the value, in digits, of a unique top-level key `id` without escapes. It is certain if it is before the
/// first character that breaks the structure; a fault inside a string or number, a duplicate key and a limit do not.
cjson_fault cjson_find_fault(cjson_reader *, const uint8_t *bytes, size_t count, cjson_status);
/// Releases memory if a message longer than `bytes` needed it; this invalidates the result of the last read.
void cjson_trim(cjson_reader *, size_t bytes);

#ifdef __cplusplus
}
#endif
