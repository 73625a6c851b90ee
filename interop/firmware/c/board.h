/* The board that the sample runs on: lm3s6965evb, a Cortex-M3 with an Ethernet controller, as QEMU emulates it. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds since start. */
uint64_t board_now(void);
/* Seconds since 1970, by the emulator's host. */
uint64_t board_wall_clock(void);
/* Sleeps until an interrupt: a frame, or the tick of 10 ms. */
void board_sleep(void);
/* Bytes of the stack that were ever used since start. */
size_t board_stack_peak(void);

/* Writes a line for whoever watches. */
void board_print(const char *text);
void board_print_number(const char *name, uint64_t value);
/* Ends the emulator. */
_Noreturn void board_exit(int code);
/* Reads a whole file of the host; the length, or -1. */
int board_read_file(const char *name, uint8_t *out, size_t size);
/* Writes a whole file of the host; 0, or -1. */
int board_write_file(const char *name, const uint8_t *bytes, size_t length);

/* Starts the network with this address; everything goes through the gateway. */
void net_start(const uint8_t address[4], const uint8_t gateway[4]);
/* Sends a datagram; false if the gateway does not answer. */
bool net_send(uint16_t from_port, const uint8_t to[4], uint16_t to_port, const uint8_t *bytes, size_t length);
/* The next datagram to `port`, copied; its length, or 0 if there is none. One that is longer than `size` is dropped. */
size_t net_receive(uint16_t port, uint8_t from[4], uint16_t *from_port, uint8_t *out, size_t size);

#endif
