/* What client and resource server have in common: what the board was given, and the state that outlives a reset. */
#ifndef DEVICE_H
#define DEVICE_H

#include "ace.h"
#include "board.h"

#define PORT 5683

/* Starts network and randomness; ends the image if something of it is missing. */
void device_start(uint8_t seed[ACE_SEED_SIZE]);
/* A field of what the board was given; empty if there is none. See images/src/field.rs. */
ace_bytes device_field(uint8_t tag);
/* As a terminated text; NULL if there is none. At most 96 bytes; of four texts at a time. */
const char *device_text(uint8_t tag);
/* As an address. */
ace_address device_address(uint8_t tag);
/* As a number. */
int64_t device_number(uint8_t tag);

/* The state that was saved last; empty at the first start. */
ace_bytes device_state(void);
/* Saves a state, in both places. */
void device_save(ace_bytes state);

void device_send(ace_address to, ace_bytes datagram);
/* Ends the image unless the call said ACE_OK. */
void device_must(int32_t status, const char *what);

#endif
