#include "device.h"

#include <string.h>

/* The larger of both states, and what a file has besides. */
#define STATE (ACE_CLIENT_STATE_SIZE > ACE_RS_STATE_SIZE ? ACE_CLIENT_STATE_SIZE : ACE_RS_STATE_SIZE)

static uint8_t provision[768];
static size_t provision_length;
static uint8_t states[2][STATE];
static size_t state_lengths[2];
static char texts[4][97];
static unsigned next_text;
/* One is written after the other: a loss of power, or damage to one, leaves a whole one. */
static const char *const PLACES[2] = {"state-a", "state-b"};

void device_must(int32_t status, const char *what)
{
    if (status == ACE_OK)
        return;
    board_print(what);
    board_print(ace_status_text(status));
    board_exit(1);
}

void device_start(uint8_t seed[ACE_SEED_SIZE])
{
    static const uint8_t OWN[4] = {10, 0, 2, 15}, GATEWAY[4] = {10, 0, 2, 2};
    const int length = board_read_file("provision", provision, sizeof provision);
    if (length < 0 || board_read_file("seed", seed, ACE_SEED_SIZE) != ACE_SEED_SIZE) {
        board_print("the files provision and seed must be there");
        board_exit(1);
    }
    provision_length = (size_t)length;
    net_start(OWN, GATEWAY);
}

ace_bytes device_field(uint8_t tag)
{
    for (size_t at = 0; at + 2 <= provision_length && at + 2 + provision[at + 1] <= provision_length; at += 2 + provision[at + 1])
        if (provision[at] == tag)
            return (ace_bytes){.data = provision + at + 2, .length = provision[at + 1]};
    return (ace_bytes){0};
}

const char *device_text(uint8_t tag)
{
    const ace_bytes field = device_field(tag);
    if (field.length == 0 || field.length >= sizeof texts[0])
        return NULL;
    char *text = texts[next_text++ % 4];
    memcpy(text, field.data, field.length);
    text[field.length] = 0;
    return text;
}

ace_address device_address(uint8_t tag)
{
    const ace_bytes field = device_field(tag);
    ace_address address = {.host_length = 4};
    if (field.length == 6) {
        memcpy(address.host, field.data, 4);
        address.port = (uint16_t)(field.data[4] << 8 | field.data[5]);
    }
    return address;
}

int64_t device_number(uint8_t tag)
{
    const ace_bytes field = device_field(tag);
    uint64_t number = 0;
    for (size_t at = 0; at < field.length; at++)
        number = number << 8 | field.data[at];
    return (int64_t)number;
}

ace_bytes device_state(void)
{
    ace_bytes found[2] = {{0}, {0}}, newest = {0};
    for (unsigned place = 0; place < 2; place++) {
        const int length = board_read_file(PLACES[place], states[place], STATE);
        state_lengths[place] = length > 0 ? (size_t)length : 0;
        found[place] = (ace_bytes){.data = states[place], .length = state_lengths[place]};
    }
    const int32_t status = ace_state_newest(found[0], found[1], &newest);
    if (status == ACE_NOTHING)
        return (ace_bytes){0};
    device_must(status, "state");
    return newest;
}

void device_save(ace_bytes state)
{
    for (unsigned place = 0; place < 2; place++)
        if (board_write_file(PLACES[place], state.data, state.length) != 0) {
            board_print("the state could not be saved");
            board_exit(1);
        }
}

void device_send(ace_address to, ace_bytes datagram)
{
    if (!net_send(PORT, to.host, to.port, datagram.data, datagram.length))
        board_print("not sent");
}
