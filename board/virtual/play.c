/* Plays files into a v4l2loopback camera, one file a frame, in a circle: play DEVICE FOURCC WIDTH HEIGHT FPS FILE…
 * Raw formats and JPEG (FOURCC MJPG) alike. SIGUSR1: no more frames, the device stays open; SIGUSR2: on with them.
 * The number of frames that were given is printed at the end (SIGTERM, SIGINT). */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct picture {
    char *bytes;
    size_t size;
};

static volatile sig_atomic_t paused, ended;

static void on_signal(int signal)
{
    if (signal == SIGUSR1)
        paused = 1;
    else if (signal == SIGUSR2)
        paused = 0;
    else
        ended = 1;
}

static void fail(const char *what)
{
    fprintf(stderr, "play: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct picture read_picture(const char *path)
{
    struct picture picture;
    struct stat about;
    FILE *file = fopen(path, "rb");

    if (!file || fstat(fileno(file), &about))
        fail(path);
    picture.size = about.st_size;
    picture.bytes = malloc(picture.size ? picture.size : 1);
    if (!picture.bytes || fread(picture.bytes, 1, picture.size, file) != picture.size)
        fail(path);
    fclose(file);
    return picture;
}

/* The driver takes frames as large as it was told, and smaller ones for compressed formats. */
static void set_format(int device, const char *fourcc, int width, int height, size_t largest)
{
    struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_OUTPUT};

    format.fmt.pix.width = width;
    format.fmt.pix.height = height;
    memcpy(&format.fmt.pix.pixelformat, fourcc, 4);
    format.fmt.pix.field = V4L2_FIELD_NONE;
    format.fmt.pix.sizeimage = largest;
    format.fmt.pix.colorspace = V4L2_COLORSPACE_SRGB;
    if (ioctl(device, VIDIOC_S_FMT, &format))
        fail("VIDIOC_S_FMT");
    if (memcmp(&format.fmt.pix.pixelformat, fourcc, 4) || format.fmt.pix.width != (unsigned)width ||
        format.fmt.pix.height != (unsigned)height) {
        fprintf(stderr, "play: the driver made %.4s %ux%u of %s %dx%d\n", (char *)&format.fmt.pix.pixelformat,
                format.fmt.pix.width, format.fmt.pix.height, fourcc, width, height);
        exit(1);
    }
    fprintf(stderr, "play: %s %dx%d, %u bytes, %u a line\n", fourcc, width, height, format.fmt.pix.sizeimage,
            format.fmt.pix.bytesperline);
    /* It writes, yet says that it streams: only then does v4l2loopback know it for the player when it ends. Else the device is
     * no output any more, and for whoever plays next the kernel says EINVAL if a reader has asked meanwhile what it is. */
    if (ioctl(device, VIDIOC_STREAMON, &format.type))
        fail("VIDIOC_STREAMON");
}

int main(int count, char **word)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct timespec next;
    struct picture *picture;
    size_t largest = 0;
    long frames = 0, period_ns;
    int device, i, pictures = count - 6;

    if (pictures < 1 || strlen(word[2]) != 4 || atof(word[5]) <= 0) {
        fprintf(stderr, "usage: play DEVICE FOURCC WIDTH HEIGHT FPS FILE...\n");
        return 2;
    }
    picture = calloc(pictures, sizeof *picture);
    if (!picture)
        fail("memory");
    for (i = 0; i < pictures; i++) {
        picture[i] = read_picture(word[6 + i]);
        if (picture[i].size > largest)
            largest = picture[i].size;
    }
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    device = open(word[1], O_RDWR);
    if (device < 0)
        fail(word[1]);
    set_format(device, word[2], atoi(word[3]), atoi(word[4]), largest);

    period_ns = 1e9 / atof(word[5]);
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!ended) {
        if (!paused) {
            const struct picture *now = &picture[frames % pictures];
            ssize_t written = write(device, now->bytes, now->size);

            if (written < 0 && errno == EINTR)
                continue;
            if (written != (ssize_t)now->size)
                fail("write");
            if (!frames++)
                fprintf(stderr, "play: playing\n");
        }
        next.tv_nsec += period_ns;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    printf("%ld\n", frames);
    return 0;
}
