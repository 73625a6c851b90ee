/* A DTLS 1.2 client or server made of Mbed TLS, with a pre-shared key and a Connection ID (RFC 9146).
 *
 *     mbedtls-peer serve|connect PORT IDENTITY KEY_HEX SUITE CID_HEX
 *
 * SUITE is the number in decimal. An empty CID_HEX asks for records without one, "-" does without the extension. The server
 * sends back what it gets; the client sends each line of standard input and prints the answer. All on 127.0.0.1. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <mbedtls/timing.h>
#include <psa/crypto.h>

static mbedtls_ssl_context ssl;
static mbedtls_timing_delay_context timer;

static void check(const char *what, int result)
{
    char text[128];

    if (result >= 0)
        return;
    mbedtls_strerror(result, text, sizeof text);
    printf("failed: %s: %s\n", what, text);
    exit(1);
}

static size_t unhex(const char *text, unsigned char *bytes, size_t room)
{
    size_t length = strlen(text) / 2;
    unsigned byte;

    if (length > room)
        exit(2);
    for (size_t at = 0; at < length; at++) {
        if (sscanf(text + 2 * at, "%2x", &byte) != 1)
            exit(2);
        bytes[at] = (unsigned char) byte;
    }
    return length;
}

static void attach(mbedtls_net_context *net)
{
    mbedtls_ssl_set_timer_cb(&ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
    mbedtls_ssl_set_bio(&ssl, net, mbedtls_net_send, mbedtls_net_recv, mbedtls_net_recv_timeout);
}

static int handshake(void)
{
    int result;

    do
        result = mbedtls_ssl_handshake(&ssl);
    while (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE);
    return result;
}

static void report(void)
{
    unsigned char cid[MBEDTLS_SSL_CID_OUT_LEN_MAX];
    size_t length = 0;
    int used = 0;

    check("peer's CID", mbedtls_ssl_get_peer_cid(&ssl, &used, cid, &length));
    printf("connected %s, Connection ID %s, the peer's has %zu bytes\n", mbedtls_ssl_get_ciphersuite(&ssl),
           used == MBEDTLS_SSL_CID_ENABLED ? "used" : "not used", length);
}

static int receive(unsigned char *data, size_t room)
{
    int result;

    do
        result = mbedtls_ssl_read(&ssl, data, room);
    while (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE);
    return result;
}

static void serve(const char *port)
{
    mbedtls_net_context listening, client;
    unsigned char from[16], data[1024];
    size_t from_len;
    int result;

    mbedtls_net_init(&listening);
    check("bind", mbedtls_net_bind(&listening, "127.0.0.1", port, MBEDTLS_NET_PROTO_UDP));
    printf("listening\n");
    do {
        check("reset", mbedtls_ssl_session_reset(&ssl));
        mbedtls_net_init(&client);
        check("accept", mbedtls_net_accept(&listening, &client, from, sizeof from, &from_len));
        check("client", mbedtls_ssl_set_client_transport_id(&ssl, from, from_len));
        attach(&client);
        result = handshake();
        if (result)
            mbedtls_net_free(&client);
    } while (result == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED);
    check("handshake", result);
    report();
    while ((result = receive(data, sizeof data - 1)) > 0) {
        data[result] = 0;
        printf("heard %s", (char *) data);
        check("send", mbedtls_ssl_write(&ssl, data, (size_t) result));
    }
    printf(result == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? "closed by the peer\n" : "ended\n");
}

static void talk(const char *port)
{
    mbedtls_net_context server;
    char line[512];
    unsigned char data[1024];
    int length;

    mbedtls_net_init(&server);
    check("connect", mbedtls_net_connect(&server, "127.0.0.1", port, MBEDTLS_NET_PROTO_UDP));
    attach(&server);
    check("handshake", handshake());
    report();
    while (fgets(line, sizeof line, stdin)) {
        check("send", mbedtls_ssl_write(&ssl, (unsigned char *) line, strlen(line)));
        length = receive(data, sizeof data - 1);
        check("receive", length);
        data[length] = 0;
        printf("%s", (char *) data);
    }
    check("close", mbedtls_ssl_close_notify(&ssl));
}

int main(int argc, char **argv)
{
    static mbedtls_ssl_config config;
    static mbedtls_ctr_drbg_context random;
    static mbedtls_entropy_context entropy;
    static mbedtls_ssl_cookie_ctx cookies;
    int suites[2] = { 0, 0 };
    unsigned char key[32], cid[32];
    int server, with_cid;
    size_t key_len, cid_len;

    if (argc != 7)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    server = !strcmp(argv[1], "serve");
    key_len = unhex(argv[4], key, sizeof key);
    suites[0] = atoi(argv[5]);
    with_cid = strcmp(argv[6], "-") != 0;
    cid_len = with_cid ? unhex(argv[6], cid, sizeof cid) : 0;

    check("crypto", psa_crypto_init() == PSA_SUCCESS ? 0 : -1);
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_config_init(&config);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_entropy_init(&entropy);
    mbedtls_ssl_cookie_init(&cookies);
    check("seed", mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0));
    check("defaults", mbedtls_ssl_config_defaults(&config, server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                                                  MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT));
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    mbedtls_ssl_conf_read_timeout(&config, 20000);
    check("key", mbedtls_ssl_conf_psk(&config, key, key_len, (unsigned char *) argv[3], strlen(argv[3])));
    if (server) {
        check("cookies", mbedtls_ssl_cookie_setup(&cookies, mbedtls_ctr_drbg_random, &random));
        mbedtls_ssl_conf_dtls_cookies(&config, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check, &cookies);
    }
    if (with_cid)
        check("CID length", mbedtls_ssl_conf_cid(&config, cid_len, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE));
    check("setup", mbedtls_ssl_setup(&ssl, &config));
    if (with_cid)
        check("CID", mbedtls_ssl_set_cid(&ssl, MBEDTLS_SSL_CID_ENABLED, cid, cid_len));
    if (server)
        serve(argv[2]);
    else
        talk(argv[2]);
    return 0;
}
