#include "keys.hpp"
#include <cstring>
#include <ctime>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

namespace {

struct Seed {
    uint64_t k0, k1;
    Seed() {
        uint64_t random[2] = {0, 0};
        if (getentropy(random, sizeof random) != 0) {  // only on a kernel without getrandom
            random[0] = uint64_t(reinterpret_cast<uintptr_t>(&random)) ^ uint64_t(time(nullptr));
            random[1] = uint64_t(clock()) ^ uint64_t(getpid());
        }
        k0 = random[0];
        k1 = random[1];
    }
};

struct SipState {
    uint64_t a, b, c, d;
    static uint64_t turn(uint64_t x, int bits) { return (x << bits) | (x >> (64 - bits)); }
    void round() {
        a += b; b = turn(b, 13); b ^= a; a = turn(a, 32);
        c += d; d = turn(d, 16); d ^= c;
        a += d; d = turn(d, 21); d ^= a;
        c += b; b = turn(b, 17); b ^= c; c = turn(c, 32);
    }
    void absorb(uint64_t word) { d ^= word; round(); a ^= word; }
};

/// SipHash-1-3 with a seed of this process: without the seed, a sender can't choose keys that collide.
uint64_t hash(std::string_view text) {
    static const Seed seed;
    SipState state{
        seed.k0 ^ 0x736f6d6570736575, seed.k1 ^ 0x646f72616e646f6d, seed.k0 ^ 0x6c7967656e657261, seed.k1 ^ 0x7465646279746573};
    const char *p = text.data();
    size_t left = text.size();
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word;
        std::memcpy(&word, p, 8);
        state.absorb(word);
    }
    uint64_t last = 0;
    std::memcpy(&last, p, left);
    state.absorb(last | uint64_t(text.size()) << 56);
    state.c ^= 0xff;
    for (int i = 0; i < 3; i++) state.round();
    return state.a ^ state.b ^ state.c ^ state.d;
}

}

size_t KeyCheck::duplicate(const std::string_view *keys, size_t count) {
    constexpr size_t few = 12;  // as fast as the table up to here, and most objects have fewer
    if (count > few) return duplicate_hashed(keys, count);
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (keys[i] == keys[j]) return i;
    return count;
}

size_t KeyCheck::duplicate_hashed(const std::string_view *keys, size_t count) {
    size_t size = 32;
    while (size < 2 * count) size *= 2;
    slots.assign(size, Slot{0, 0});
    for (size_t i = 0; i < count; i++) {
        uint64_t wide = hash(keys[i]);
        uint32_t mark = uint32_t(wide >> 32);
        size_t at = wide & (size - 1);
        for (; slots[at].number != 0; at = (at + 1) & (size - 1))
            if (slots[at].hash == mark && keys[slots[at].number - 1] == keys[i]) return i;
        slots[at] = {mark, uint32_t(i + 1)};
    }
    return count;
}
