/* A client: reads /temp, switches /led, reads /temp again, and ends. */
#include "device.h"

#include <string.h>

static _Alignas(ACE_ALIGN) uint8_t memory[ACE_CLIENT_SIZE];

static const struct {
    uint8_t method;
    const char *path, *payload;
} REQUESTS[] = {{ACE_GET, "/temp", ""}, {ACE_PUT, "/led", "1"}, {ACE_GET, "/temp", ""}};
#define COUNT (sizeof REQUESTS / sizeof REQUESTS[0])

static ace_client_config configuration(void)
{
    ace_client_config config = {
        .as_address = device_address(1),
        .as_uri = device_text(2),
        .master_secret = device_field(16),
        .master_salt = device_field(17),
        .sender_id = device_field(18),
        .recipient_id = device_field(19),
        .id_context = device_field(20),
        .aead = (int32_t)device_number(21),
        .hkdf = (int32_t)device_number(22),
        .psk_identity = device_field(32),
        .psk = device_field(33),
        .private_key = device_field(34),
        .as_public_key = device_field(35),
    };
    if (config.master_secret.length > 0)
        config.as_security = ACE_SECURITY_OSCORE;
    else if (config.psk.length > 0)
        config.as_security = ACE_SECURITY_PSK;
    else
        config.as_security = ACE_SECURITY_RPK;
    return config;
}

static void ask(ace_client *client, ace_address rs, size_t which)
{
    const ace_request request = {
        .method = REQUESTS[which].method,
        .path = REQUESTS[which].path,
        .payload = {.data = (const uint8_t *)REQUESTS[which].payload, .length = strlen(REQUESTS[which].payload)},
        .content_format = ACE_NO_FORMAT,
        .accept = ACE_NO_FORMAT,
    };
    device_must(ace_client_request(client, board_now(), board_wall_clock(), &rs, &request), "request");
}

/* Tells what ended a request; the image ends if that is not a success. */
static void tell(const ace_client_event *event)
{
    if (event->kind != ACE_CLIENT_RESPONSE || event->code >> 5 != 2) {
        board_print_number("refused or failed: event ", event->kind);
        board_print_number("phase ", event->phase);
        board_print_number("reason ", event->reason);
        board_print_number("code ", event->code);
        board_print_number("error ", (uint64_t)(uint32_t)event->error);
        board_exit(2);
    }
    char line[64] = "answer ";
    strcat(line, event->code == 0x45 ? "Content " : event->code == 0x44 ? "Changed " : "other ");
    const size_t at = strlen(line), room = sizeof line - 1 - at;
    const size_t length = event->payload.length < room ? event->payload.length : room;
    memcpy(line + at, event->payload.data, length);
    line[at + length] = 0;
    board_print(line);
}

int main(void)
{
    uint8_t seed[ACE_SEED_SIZE], datagram[768], from[4];
    ace_client *client;
    device_start(seed);
    const ace_client_config config = configuration();
    device_must(ace_client_init(memory, sizeof memory, &config, seed, device_state(), &client), "init");
    memset(seed, 0, sizeof seed);
    const ace_address rs = device_address(3);
    size_t asked = 0;
    ask(client, rs, asked++);
    for (;;) {
        ace_address peer = {.host_length = 4};
        ace_bytes out;
        uint64_t due;
        ace_client_event event;
        const size_t length = net_receive(PORT, from, &peer.port, datagram, sizeof datagram);
        if (length > 0) {
            memcpy(peer.host, from, 4);
            device_must(ace_client_handle(client, board_now(), board_wall_clock(), &peer, datagram, length), "handle");
        }
        if (ace_client_poll_timeout(client, &due) == ACE_OK && due <= board_now())
            device_must(ace_client_handle_timeout(client, board_now(), board_wall_clock()), "timeout");
        if (ace_client_unsaved(client, &out) == ACE_OK) {
            device_save(out);
            device_must(ace_client_saved(client), "saved");
        }
        while (ace_client_poll_transmit(client, board_now(), &peer, &out) == ACE_OK)
            device_send(peer, out);
        while (ace_client_poll_event(client, &event) == ACE_OK) {
            if (event.kind == ACE_CLIENT_PHASE)
                continue;
            tell(&event);
            if (asked == COUNT) {
                device_must(ace_client_deinit(client), "deinit");
                board_print_number("stack ", board_stack_peak());
                return 0;
            }
            ask(client, rs, asked++);
        }
        if (length == 0)
            board_sleep();
    }
}
