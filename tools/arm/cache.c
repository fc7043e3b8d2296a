/* A QEMU plugin: what a guest's data caches would fetch from memory and write back to it.
 *
 * levels=KIB:WAYS+KIB:WAYS+... from the nearest on, at most four. Lines of 64 bytes, least recently used out first, written
 * back when they go, fetched also to be written to; a miss fills every level. Not modelled: prefetching, lines that a core
 * writes whole without fetching them (`fills_for_stores` is the most that this saves), instructions, the kernel.
 * Writes to out=FILE when the guest ends: pairs of a name and a count, then for each instruction that made the last level
 * fetch its address, its word and how many lines. */
#include "plugin.h"

enum { LINE = 64, MOST_LEVELS = 4 };
enum access { FETCH, STORE, WRITE_BACK };

/* Each set's lines, from the one used last to the one that goes first: line << 1 | changed, 0 for none. */
struct level {
    uint64_t *lines, misses, write_backs;
    unsigned ways, sets;
};

struct site {
    struct site *next;
    uint64_t address, fills;
    uint32_t word;
};

static struct level levels[MOST_LEVELS];
static unsigned level_count;
static uint64_t accesses, bytes, fills_for_stores, accesses_of_others;
static struct site *sites[BUCKETS];
static const char *result_path = "cache.txt";

static void touch(unsigned number, uint64_t line, enum access access)
{
    if (number == level_count)
        return;
    struct level *level = &levels[number];
    uint64_t *set = level->lines + line % level->sets * level->ways, changed = access != FETCH;
    unsigned place = 0;
    while (place < level->ways && (!set[place] || set[place] >> 1 != line))
        place++;
    if (place < level->ways) {
        changed |= set[place] & 1;
    } else {
        uint64_t out = set[--place];
        if (access != WRITE_BACK) {
            level->misses++;
            touch(number + 1, line, FETCH);
        }
        if (out & 1) {
            level->write_backs++;
            touch(number + 1, out >> 1, WRITE_BACK);
        }
    }
    memmove(set + 1, set, place * sizeof *set);
    set[0] = line << 1 | changed;
}

static void accessed(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *site)
{
    uint64_t size = 1u << qemu_plugin_mem_size_shift(info), before = levels[level_count - 1].misses;
    bool stores = qemu_plugin_mem_is_store(info);
    accesses++;
    bytes += size;
    accesses_of_others += cpu > 0;
    for (uint64_t line = address / LINE; line <= (address + size - 1) / LINE; line++)
        touch(0, line, stores ? STORE : FETCH);
    uint64_t fills = levels[level_count - 1].misses - before;
    ((struct site *)site)->fills += fills;
    if (stores)
        fills_for_stores += fills;
}

static struct site *site_of(uint64_t address, uint32_t word)
{
    struct site **first = &sites[bucket(address)];
    for (struct site *site = *first; site; site = site->next)
        if (site->address == address && site->word == word)
            return site;
    struct site *site = calloc(1, sizeof *site);
    *site = (struct site){.next = *first, .address = address, .word = word};
    return *first = site;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
        struct site *site = site_of(qemu_plugin_insn_vaddr(instruction), word);
        qemu_plugin_register_vcpu_mem_cb(instruction, accessed, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, site);
    }
}

static void write_result(qemu_plugin_id_t id, void *unused)
{
    FILE *file = open_result(result_path);
    if (!file)
        return;
    if (guest_threads > 1)
        fprintf(stderr, "note: %u guest threads; %.3f %% of the accesses are not the first one's\n", guest_threads,
                100.0 * accesses_of_others / accesses);
    fprintf(file, "accesses %" PRIu64 " bytes %" PRIu64 " fills_for_stores %" PRIu64, accesses, bytes, fills_for_stores);
    for (unsigned i = 0; i < level_count; i++)
        fprintf(file, " l%u_misses %" PRIu64 " l%u_write_backs %" PRIu64, i + 1, levels[i].misses, i + 1,
                levels[i].write_backs);
    fputc('\n', file);
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct site *site = sites[i]; site; site = site->next)
            if (site->fills)
                fprintf(file, "%" PRIx64 " %08" PRIx32 " %" PRIu64 "\n", site->address, site->word, site->fills);
    fclose(file);
}

/* `32:2+1024:16` as levels (QEMU takes commas as the ends of arguments); whether it is such a list. */
static bool read_levels(const char *text)
{
    while (text && *text && level_count < MOST_LEVELS) {
        unsigned kib, ways;
        int read = 0;
        if (sscanf(text, "%u:%u%n", &kib, &ways, &read) != 2 || !kib || !ways || kib * (1024 / LINE) % ways)
            return false;
        struct level *level = &levels[level_count++];
        level->ways = ways;
        level->sets = kib * (1024 / LINE) / ways;
        level->lines = calloc((size_t)level->sets * ways, sizeof *level->lines);
        text += read + (text[read] == '+');
    }
    return level_count > 0 && text && !*text;
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments)
{
    const char *path = argument(count, arguments, "out");
    if (path)
        result_path = path;
    if (!read_levels(argument(count, arguments, "levels")))
        return fprintf(stderr, "levels: expected KIB:WAYS+KIB:WAYS..., at most %d\n", MOST_LEVELS), 1;
    qemu_plugin_register_vcpu_init_cb(id, count_thread);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, write_result, NULL);
    return 0;
}
