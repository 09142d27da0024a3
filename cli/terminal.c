/* The terminal (see terminal.h). Plain control sequences, which every terminal of today knows. One thread. */
#include "terminal.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ended;
static struct termios before;
static bool on_screen, keys;

static void end(int signal_number)
{
    (void)signal_number;
    ended = 1;
}

static void look_again(int signal_number)
{
    (void)signal_number; /* the wait ends, and all is drawn anew */
}

void terminal_catch_signals(void)
{
    struct sigaction ending = { .sa_handler = end }, resized = { .sa_handler = look_again };
    sigaction(SIGINT, &ending, NULL);
    sigaction(SIGTERM, &ending, NULL);
    sigaction(SIGHUP, &ending, NULL);
    sigaction(SIGWINCH, &resized, NULL);
}

void terminal_enter(void)
{
    keys = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (keys) {
        struct termios raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        keys = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    on_screen = true;
    fputs("\033[?1049h\033[?25l", stdout);
}

void terminal_leave(void)
{
    if (on_screen) {
        fputs("\033[?25h\033[?1049l", stdout);
        fflush(stdout);
        on_screen = false;
    }
    if (keys) {
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
        keys = false;
    }
}

bool terminal_ended(void)
{
    return ended != 0;
}

void terminal_size(unsigned *width, unsigned *height)
{
    struct winsize size = { .ws_row = 0 };
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1 && size.ws_col > 0;
    *width = known ? size.ws_col : 80;
    *height = known ? size.ws_row : 24;
}

void terminal_wait(unsigned milliseconds)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    if (ended) {
        return;
    }
    if (!keys) {
        nanosleep(&(struct timespec){ milliseconds / 1000, (long)(milliseconds % 1000) * 1000000 }, NULL);
        return;
    }
    char key = 0;
    if (poll(&input, 1, (int)milliseconds) > 0 && (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q')) {
        ended = 1; /* the end of the input too */
    }
}
