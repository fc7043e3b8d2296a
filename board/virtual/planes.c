/* Says what is on a graphics card's planes, and gives what they are together: planes CARD > PICTURE, as root.
 * Transparent pixels show the planes below. A line for each plane that shows something goes to standard error, the picture (PPM) to standard output: the lowest
 * plane first, each scaled to the nearest pixel. `planes CARD remove PROCESS` instead takes the buffers of overlay planes
 * away from the program that shows them, as if by itself: what it shows next in one of them is refused. */
#define _GNU_SOURCE
#include <drm/drm.h>
#include <drm/drm_fourcc.h>
#include <drm/drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OVERLAY, PRIMARY }; /* of the property `type` */
enum { X, Y, W, H, SRC_X, SRC_Y, SRC_W, SRC_H, TYPE, COUNT };
static const char *const names[COUNT] = {"CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H", "SRC_X",
                                         "SRC_Y",  "SRC_W",  "SRC_H",  "type"};

static void fail(const char *what)
{
    fprintf(stderr, "planes: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void ask(int card, unsigned long request, void *about, const char *what)
{
    if (ioctl(card, request, about))
        fail(what);
}

static void properties(int card, uint32_t plane, uint64_t *found)
{
    uint32_t ids[64];
    uint64_t values[64];
    struct drm_mode_obj_get_properties all = {.props_ptr = (uintptr_t)ids, .prop_values_ptr = (uintptr_t)values,
        .count_props = 64, .obj_id = plane, .obj_type = DRM_MODE_OBJECT_PLANE};

    ask(card, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &all, "properties");
    for (uint32_t i = 0; i < all.count_props && i < 64; i++) {
        struct drm_mode_get_property one = {.prop_id = ids[i]};

        ask(card, DRM_IOCTL_MODE_GETPROPERTY, &one, "property");
        for (int name = 0; name < COUNT; name++)
            if (!strcmp(one.name, names[name]))
                found[name] = values[i];
    }
}

/* The program's own file of the card. */
static int of_process(const char *card, const char *process)
{
    int pidfd = syscall(SYS_pidfd_open, atoi(process), 0);
    char link[64], path[64] = "";

    for (int fd = 3; fd < 256; fd++) {
        snprintf(link, sizeof link, "/proc/%s/fd/%d", process, fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (length == (ssize_t)strlen(card) && !strncmp(path, card, length))
            return syscall(SYS_pidfd_getfd, pidfd, fd, 0);
    }
    errno = ENOENT;
    return -1;
}

int main(int count, char **word)
{
    struct drm_set_client_cap cap = {DRM_CLIENT_CAP_ATOMIC, 1};
    uint32_t ids[64], *screen = NULL, width = 0, height = 0;
    struct drm_mode_get_plane_res planes = {.plane_id_ptr = (uintptr_t)ids, .count_planes = 64};
    int removes = count == 4 && !strcmp(word[2], "remove");
    int card = count < 2 ? -1 : open(word[1], O_RDWR);
    int its = removes ? of_process(word[1], word[3]) : card;

    if (card < 0 || its < 0)
        fail(count < 2 ? "usage: planes CARD [remove PROCESS]" : word[1]);
    ask(card, DRM_IOCTL_SET_CLIENT_CAP, &cap, "atomic");
    ask(card, DRM_IOCTL_MODE_GETPLANERESOURCES, &planes, "planes");
    for (int pass = PRIMARY; pass >= OVERLAY; pass--)
        for (uint32_t i = 0; i < planes.count_planes; i++) {
            struct drm_mode_get_plane plane = {.plane_id = ids[i]};
            uint64_t at[COUNT] = {0};

            ask(card, DRM_IOCTL_MODE_GETPLANE, &plane, "plane");
            properties(card, ids[i], at);
            if (!plane.fb_id || at[TYPE] != (uint64_t)pass)
                continue;
            if (removes) {
                if (pass == OVERLAY)
                    ask(its, DRM_IOCTL_MODE_RMFB, &plane.fb_id, "removing");
                continue;
            }
            uint32_t w = at[W], h = at[H], sw = at[SRC_W] >> 16, sh = at[SRC_H] >> 16;
            fprintf(stderr, "plane %u %s %ux%u over %ux%u at %d,%d buffer %u\n", ids[i], pass == PRIMARY ? "primary" : "overlay",
                    sw, sh, w, h, (int)at[X], (int)at[Y], plane.fb_id);
            if (pass == PRIMARY && !screen) {
                width = w, height = h;
                screen = calloc(width * height, 4);
            }
            struct drm_mode_fb_cmd2 buffer = {.fb_id = plane.fb_id};
            ask(card, DRM_IOCTL_MODE_GETFB2, &buffer, "buffer");
            struct drm_mode_map_dumb map = {.handle = buffer.handles[0]};
            ask(card, DRM_IOCTL_MODE_MAP_DUMB, &map, "mapping");
            size_t length = (size_t)buffer.pitches[0] * buffer.height;
            uint8_t *from = mmap(NULL, length, PROT_READ, MAP_SHARED, card, map.offset);
            if (from == MAP_FAILED || !screen)
                fail("memory");
            for (uint32_t y = 0; y < h; y++)
                for (uint32_t x = 0; x < w; x++) {
                    uint32_t row = (at[SRC_Y] >> 16) + (uint64_t)y * sh / h, column = (at[SRC_X] >> 16) + (uint64_t)x * sw / w;
                    uint32_t to_y = y + at[Y], to_x = x + at[X];
                    uint32_t pixel;

                    if (to_y >= height || to_x >= width || row >= buffer.height || column >= buffer.width)
                        continue;
                    memcpy(&pixel, from + row * buffer.pitches[0] + column * 4, 4);
                    if (buffer.pixel_format != DRM_FORMAT_ARGB8888 || pixel >> 24)
                        screen[to_y * width + to_x] = pixel;
                }
            munmap(from, length);
        }
    if (screen)
        printf("P6\n%u %u\n255\n", width, height);
    for (uint32_t i = 0; i < width * height; i++) {
        putchar(screen[i] >> 16 & 255);
        putchar(screen[i] >> 8 & 255);
        putchar(screen[i] & 255);
    }
    return 0;
}
