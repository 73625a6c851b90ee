/* A resource server: a thermometer at /temp and a lock at /lock. Runs until the board stops. */
#include "device.h"

#include <string.h>

static _Alignas(ACE_ALIGN) uint8_t memory[ACE_RS_SIZE];
static uint8_t temperature[8], lock[8];

enum { TEMP, LOCK };

static const ace_resource RESOURCES[] = {
    [TEMP] = {.path = "/temp", .methods = ACE_METHOD_GET, .is_observable = 1, .value = temperature, .size = sizeof temperature},
    [LOCK] = {.path = "/lock", .methods = ACE_METHOD_GET | ACE_METHOD_PUT, .value = lock, .size = sizeof lock},
};

static void set(ace_rs *rs, size_t resource, const char *value)
{
    const ace_bytes bytes = {.data = (const uint8_t *)value, .length = strlen(value)};
    device_must(ace_rs_set(rs, board_now(), board_wall_clock(), resource, bytes), "set");
}

/* Turns the bolt. What it does not know it leaves alone: the value tells. */
static void turn(ace_rs *rs, ace_bytes wanted)
{
    const bool open = wanted.length == 4 && memcmp(wanted.data, "open", 4) == 0;
    if (!open && !(wanted.length == 6 && memcmp(wanted.data, "closed", 6) == 0))
        return;
    set(rs, LOCK, open ? "open" : "closed");
    board_print(open ? "lock open" : "lock closed");
}

int main(void)
{
    uint8_t seed[ACE_SEED_SIZE], datagram[768], from[4];
    ace_rs *rs;
    device_start(seed);
    const ace_rs_config config = {
        .audience = device_text(48),
        .issuer = device_text(49),
        .as_uri = device_text(2),
        .token_kid = device_field(50),
        .token_alg = (int32_t)device_number(51),
        .token_key = device_field(52),
        .key_derivation_key = device_field(53),
        .private_key = device_field(54),
        .resources = RESOURCES,
        .resource_count = sizeof RESOURCES / sizeof RESOURCES[0],
    };
    device_must(ace_rs_init(memory, sizeof memory, &config, seed, device_state(), &rs), "init");
    memset(seed, 0, sizeof seed);
    set(rs, TEMP, "21.5 C");
    set(rs, LOCK, "closed");
    board_print("ready");
    for (;;) {
        ace_address peer = {.host_length = 4};
        ace_bytes out;
        uint64_t due;
        ace_rs_event event;
        const size_t length = net_receive(PORT, from, &peer.port, datagram, sizeof datagram);
        if (length > 0) {
            memcpy(peer.host, from, 4);
            device_must(ace_rs_handle(rs, board_now(), board_wall_clock(), &peer, datagram, length), "handle");
        }
        if (ace_rs_poll_timeout(rs, &due) == ACE_OK && due <= board_now())
            device_must(ace_rs_handle_timeout(rs, board_now(), board_wall_clock()), "timeout");
        while (ace_rs_poll_event(rs, &event) == ACE_OK)
            if (event.kind == ACE_RS_WRITTEN) {
                turn(rs, event.payload);
                board_print_number("stack ", board_stack_peak());
            }
        if (ace_rs_unsaved(rs, &out) == ACE_OK) {
            device_save(out);
            device_must(ace_rs_saved(rs), "saved");
        }
        while (ace_rs_poll_transmit(rs, board_now(), &peer, &out) == ACE_OK)
            device_send(peer, out);
        if (length == 0)
            board_sleep();
    }
}
