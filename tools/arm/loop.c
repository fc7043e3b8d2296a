/* Goes over memory in a known way, for check.py: `loop BYTES STRIDE STORES TURNS`. */
#include <stdint.h>
#include <stdlib.h>

static volatile uint64_t memory[1 << 21] __attribute__((aligned(1 << 20)));

int main(int count, char **arguments)
{
    if (count != 5)
        return 2;
    uint64_t words = strtoull(arguments[1], 0, 10) / 8, stride = strtoull(arguments[2], 0, 10) / 8;
    int stores = atoi(arguments[3]), turns = atoi(arguments[4]);
    if (words > sizeof memory / 8)
        return 2;
    for (int turn = 0; turn < turns; turn++)
        for (uint64_t word = 0; word < words; word += stride) {
            if (stores)
                memory[word] = word;
            else
                (void)memory[word];
        }
    return 0;
}
