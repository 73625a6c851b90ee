/* Start-up, clock, stack, and what the debugger's side does for the board (Arm's semihosting, version 2). */
#include "board.h"

#include <string.h>

extern uint32_t stack_bottom, stack_top, data_start, data_end, data_load, bss_start, bss_end;
int main(void);

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define RCC REGISTER(0x400fe060)
#define SYST_CSR REGISTER(0xe000e010)
#define SYST_RVR REGISTER(0xe000e014)
#define SYST_CVR REGISTER(0xe000e018)

#define PAINT 0xa5a5a5a5u
/* Milliseconds from one tick to the next. */
#define TICK 10u

static volatile uint32_t ticks;

static void tick(void) { ticks++; }

static void fault(void)
{
    board_print("fault");
    board_exit(70);
}

void reset(void);

void reset(void)
{
    uint32_t *here;
    for (uint32_t *from = &data_load, *to = &data_start; to < &data_end;)
        *to++ = *from++;
    for (uint32_t *to = &bss_start; to < &bss_end;)
        *to++ = 0;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    for (uint32_t *to = &stack_bottom; to < here - 8; to++)
        *to = PAINT;
    RCC = 0x01ce1380u | 1u << 22; /* 50 MHz */
    SYST_RVR = 500000u - 1u;
    SYST_CVR = 0;
    SYST_CSR = 7;
    board_exit(main());
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16 + 48])(void) = {
    (void (*)(void))(uintptr_t)&stack_top, reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, tick,
    [16 ... 63] = fault,
};

uint64_t board_now(void) { return (uint64_t)ticks * TICK; }

void board_sleep(void) { __asm__ volatile("wfi"); }

size_t board_stack_peak(void)
{
    const uint32_t *at = &stack_bottom;
    while (at < &stack_top && *at == PAINT)
        at++;
    return (size_t)((const uint8_t *)&stack_top - (const uint8_t *)at);
}

static uint32_t semihosting(uint32_t operation, const void *block)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt #0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

uint64_t board_wall_clock(void) { return semihosting(0x11, 0); }

void board_exit(int code)
{
    const uint32_t block[2] = {0x20026, (uint32_t)code};
    for (;;)
        semihosting(0x20, block);
}

void board_print(const char *text)
{
    semihosting(0x04, text);
    semihosting(0x04, "\n");
}

void board_print_number(const char *name, uint64_t value)
{
    char digits[21] = {0};
    size_t at = 20;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    semihosting(0x04, name);
    board_print(digits + at);
}

static int32_t open_file(const char *name, uint32_t mode)
{
    const uint32_t block[3] = {(uint32_t)(uintptr_t)name, mode, (uint32_t)strlen(name)};
    return (int32_t)semihosting(0x01, block);
}

int board_read_file(const char *name, uint8_t *out, size_t size)
{
    const int32_t file = open_file(name, 1); /* "rb" */
    if (file < 0)
        return -1;
    const uint32_t handle = (uint32_t)file;
    const int32_t length = (int32_t)semihosting(0x0c, &handle);
    int result = -1;
    if (length >= 0 && (size_t)length <= size) {
        const uint32_t block[3] = {handle, (uint32_t)(uintptr_t)out, (uint32_t)length};
        if (semihosting(0x06, block) == 0)
            result = (int)length;
    }
    semihosting(0x02, &handle);
    return result;
}

int board_write_file(const char *name, const uint8_t *bytes, size_t length)
{
    const int32_t file = open_file(name, 5); /* "wb" */
    if (file < 0)
        return -1;
    const uint32_t handle = (uint32_t)file;
    const uint32_t block[3] = {handle, (uint32_t)(uintptr_t)bytes, (uint32_t)length};
    const bool whole = semihosting(0x05, block) == 0;
    const bool closed = semihosting(0x02, &handle) == 0;
    return whole && closed ? 0 : -1;
}
