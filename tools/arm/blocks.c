/* A QEMU plugin: how often each translated block of a guest's instructions ran. Writes a line a block to out=FILE when the
 * guest ends: address, runs, and the instructions as hexadecimal words. */
#include "plugin.h"

struct block {
    struct block *next;
    uint64_t address, runs;
    uint32_t length;
    uint32_t words[];
};

static struct block *blocks[BUCKETS];
static const char *result_path = "blocks.txt";

/* The counter of a block: the same one when the same code is translated again. */
static struct block *block_of(uint64_t address, const uint32_t *words, uint32_t length)
{
    struct block **first = &blocks[bucket(address)];
    for (struct block *block = *first; block; block = block->next)
        if (block->address == address && block->length == length && !memcmp(block->words, words, length * sizeof *words))
            return block;
    struct block *block = calloc(1, sizeof *block + length * sizeof *words);
    block->next = *first;
    block->address = address;
    block->length = length;
    memcpy(block->words, words, length * sizeof *words);
    return *first = block;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint32_t length = qemu_plugin_tb_n_insns(tb), words[length];
    for (uint32_t i = 0; i < length; i++)
        memcpy(&words[i], qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i)), sizeof words[i]);
    struct block *block = block_of(qemu_plugin_tb_vaddr(tb), words, length);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &block->runs, 1);
}

static void write_result(qemu_plugin_id_t id, void *unused)
{
    FILE *file = open_result(result_path);
    if (!file)
        return;
    if (guest_threads > 1)
        fprintf(stderr, "note: %u guest threads; what two did at once may be counted once\n", guest_threads);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct block *block = blocks[i]; block; block = block->next) {
            if (!block->runs)
                continue;
            fprintf(file, "%" PRIx64 " %" PRIu64, block->address, block->runs);
            for (uint32_t word = 0; word < block->length; word++)
                fprintf(file, " %08" PRIx32, block->words[word]);
            fputc('\n', file);
        }
    fclose(file);
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments)
{
    const char *path = argument(count, arguments, "out");
    if (path)
        result_path = path;
    qemu_plugin_register_vcpu_init_cb(id, count_thread);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, write_result, NULL);
    return 0;
}
