#pragma once
#include <stddef.h>
#include <stdint.h>

/// libFuzzer's own loop, which its runtime brings along: -sanitize=fuzzer.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*test)(const uint8_t *bytes, size_t count));
