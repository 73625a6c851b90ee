/* Just enough of a network for one socket: Ethernet FIFO, ARP towards the gateway, IPv4 without fragments, UDP. */
#include "board.h"

#include <string.h>

#define REGISTER(offset) (*(volatile uint32_t *)(uintptr_t)(0x40048000u + (offset)))
#define RCTL REGISTER(0x08)
#define TCTL REGISTER(0x0c)
#define DATA REGISTER(0x10)
#define IA0 REGISTER(0x14)
#define IA1 REGISTER(0x18)
#define NP REGISTER(0x34)
#define TR REGISTER(0x38)

#define HEADERS 42u /* Ethernet, IPv4, UDP */
#define FRAME 1024u

static const uint8_t MAC[6] = {0x02, 0, 0, 0xac, 0xe0, 0x01};

static uint8_t own[4], gateway[4], gateway_mac[6];
static bool gateway_known;
static uint8_t incoming[FRAME], outgoing[FRAME];

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void send_frame(size_t length)
{
    if (length < 60) {
        memset(outgoing + length, 0, 60 - length);
        length = 60;
    }
    DATA = (uint32_t)(length - 14) | (uint32_t)outgoing[0] << 16 | (uint32_t)outgoing[1] << 24;
    for (size_t at = 2; at < length; at += 4) {
        uint32_t word = 0;
        for (size_t i = 0; i < 4 && at + i < length; i++)
            word |= (uint32_t)outgoing[at + i] << (8 * i);
        DATA = word;
    }
    TR = 1;
}

/* The next frame; 0 if there is none. One that is too long is read and dropped. */
static size_t take_frame(void)
{
    while (NP != 0) {
        const uint32_t first = DATA;
        const size_t total = first & 0xffffu, length = total > 6 ? total - 6 : 0;
        incoming[0] = (uint8_t)(first >> 16);
        incoming[1] = (uint8_t)(first >> 24);
        for (size_t at = 2, words = (total + 3) / 4; words > 1; words--, at += 4) {
            const uint32_t word = DATA;
            for (size_t i = 0; i < 4; i++)
                if (at + i < FRAME)
                    incoming[at + i] = (uint8_t)(word >> (8 * i));
        }
        if (length >= 14 && length <= FRAME)
            return length;
    }
    return 0;
}

static void send_arp(uint16_t operation, const uint8_t mac[6], const uint8_t address[4])
{
    static const uint8_t HEAD[6] = {0, 1, 8, 0, 6, 4};
    if (operation == 1)
        memset(outgoing, 0xff, 6);
    else
        memcpy(outgoing, mac, 6);
    memcpy(outgoing + 6, MAC, 6);
    put16(outgoing + 12, 0x0806);
    memcpy(outgoing + 14, HEAD, 6);
    put16(outgoing + 20, operation);
    memcpy(outgoing + 22, MAC, 6);
    memcpy(outgoing + 28, own, 4);
    memcpy(outgoing + 32, mac, 6);
    memcpy(outgoing + 38, address, 4);
    send_frame(HEADERS);
}

static void handle_arp(size_t length)
{
    if (length < HEADERS || memcmp(incoming + 38, own, 4) != 0)
        return;
    const uint16_t operation = get16(incoming + 20);
    if (memcmp(incoming + 28, gateway, 4) == 0) {
        memcpy(gateway_mac, incoming + 22, 6);
        gateway_known = true;
    }
    if (operation == 1)
        send_arp(2, incoming + 22, incoming + 28);
}

static uint16_t checksum(const uint8_t *bytes, size_t length)
{
    uint32_t sum = 0;
    for (size_t at = 0; at < length; at += 2)
        sum += get16(bytes + at);
    while (sum >> 16)
        sum = (sum & 0xffffu) + (sum >> 16);
    return (uint16_t)~sum;
}

void net_start(const uint8_t address[4], const uint8_t gateway_address[4])
{
    memcpy(own, address, 4);
    memcpy(gateway, gateway_address, 4);
    IA0 = (uint32_t)MAC[0] | (uint32_t)MAC[1] << 8 | (uint32_t)MAC[2] << 16 | (uint32_t)MAC[3] << 24;
    IA1 = (uint32_t)MAC[4] | (uint32_t)MAC[5] << 8;
    TCTL = 0x17;
    RCTL = 0x19;
    RCTL = 0x09;
}

bool net_send(uint16_t from_port, const uint8_t to[4], uint16_t to_port, const uint8_t *bytes, size_t length)
{
    if (length > FRAME - HEADERS)
        return false;
    for (int attempt = 0; !gateway_known && attempt < 5; attempt++) {
        static const uint8_t NOBODY[6];
        send_arp(1, NOBODY, gateway);
        for (const uint64_t end = board_now() + 200; !gateway_known && board_now() < end;) {
            const size_t got = take_frame();
            if (got && get16(incoming + 12) == 0x0806)
                handle_arp(got);
        }
    }
    if (!gateway_known)
        return false;
    uint8_t *ip = outgoing + 14, *udp = outgoing + 34;
    memcpy(outgoing, gateway_mac, 6);
    memcpy(outgoing + 6, MAC, 6);
    put16(outgoing + 12, 0x0800);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, (uint16_t)(28 + length));
    ip[6] = 0x40; /* do not fragment */
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, own, 4);
    memcpy(ip + 16, to, 4);
    put16(ip + 10, checksum(ip, 20));
    put16(udp, from_port);
    put16(udp + 2, to_port);
    put16(udp + 4, (uint16_t)(8 + length));
    put16(udp + 6, 0); /* no checksum: allowed with IPv4, and all that is sent is protected */
    memcpy(outgoing + HEADERS, bytes, length);
    send_frame(HEADERS + length);
    return true;
}

size_t net_receive(uint16_t port, uint8_t from[4], uint16_t *from_port, uint8_t *out, size_t size)
{
    for (size_t length; (length = take_frame()) != 0;) {
        const uint16_t type = get16(incoming + 12);
        if (type == 0x0806) {
            handle_arp(length);
            continue;
        }
        const uint8_t *ip = incoming + 14, *udp = incoming + 34;
        if (type != 0x0800 || length < HEADERS || ip[0] != 0x45 || ip[9] != 17 || memcmp(ip + 16, own, 4) != 0 ||
            (get16(ip + 6) & 0x3fff) != 0 || checksum(ip, 20) != 0 || get16(udp + 2) != port)
            continue;
        const size_t datagram = get16(udp + 4);
        if (datagram < 8 || datagram + 34 > length || datagram - 8 > size || datagram == 8)
            continue;
        memcpy(from, ip + 12, 4);
        *from_port = get16(udp);
        memcpy(out, incoming + HEADERS, datagram - 8);
        return datagram - 8;
    }
    return 0;
}
