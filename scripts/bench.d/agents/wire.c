// Bytes between an agent and the server: plain, or over TLS with the agent's own certificate.
#include <errno.h>
#include <sys/socket.h>

#include "agent.h"

#ifdef WITH_TLS
#include <openssl/ssl.h>

// An error of TLS as one of a socket.
static ssize_t as_errno(struct agent *a, int result) {
    int error = SSL_get_error(a->tls, result);
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

void wire_secure(const char *folder) {
    static char authority[4096];
    snprintf(authority, sizeof authority, "%s/ca.pem", folder);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_alpn_protos(context, (const uint8_t *)"\x02h2", 3);
    if (SSL_CTX_load_verify_locations(context, authority, NULL) != 1)
        fail("cannot read ca.pem in the folder of --tls");
    settings.tls = context;
    settings.tls_folder = folder;
}

void wire_open(struct agent *a) {
    if (settings.tls == NULL) return;
    char cert[4096], key[4096];
    snprintf(cert, sizeof cert, "%s/%s.pem", settings.tls_folder, a->who.agent_id);
    snprintf(key, sizeof key, "%s/%s.key", settings.tls_folder, a->who.agent_id);
    a->tls = SSL_new(settings.tls);
    if (SSL_use_certificate_file(a->tls, cert, SSL_FILETYPE_PEM) != 1 ||
        SSL_use_PrivateKey_file(a->tls, key, SSL_FILETYPE_PEM) != 1)
        fail("an agent has no certificate in the folder of --tls");
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(a->tls), "127.0.0.1");
    SSL_set_fd(a->tls, a->fd);
    SSL_set_connect_state(a->tls);
    a->shaking = true;
}

enum handshake wire_shake(struct agent *a) {
    int result = SSL_do_handshake(a->tls);
    if (result == 1) {
        a->shaking = false;
        return HANDSHAKE_DONE;
    }
    switch (SSL_get_error(a->tls, result)) {
    case SSL_ERROR_WANT_READ: return HANDSHAKE_READS;
    case SSL_ERROR_WANT_WRITE: return HANDSHAKE_WRITES;
    default: return HANDSHAKE_FAILED;
    }
}

ssize_t wire_send(struct agent *a, const void *bytes, size_t size) {
    if (a->tls == NULL) return send(a->fd, bytes, size, MSG_NOSIGNAL);
    int n = SSL_write(a->tls, bytes, (int)size);
    return n > 0 ? n : as_errno(a, n);
}

ssize_t wire_receive(struct agent *a, void *bytes, size_t size) {
    if (a->tls == NULL) return recv(a->fd, bytes, size, 0);
    int n = SSL_read(a->tls, bytes, (int)size);
    return n > 0 ? n : as_errno(a, n);
}

void wire_free(struct agent *a) {
    SSL_free(a->tls);
    a->tls = NULL;
}

#else

void wire_secure(const char *folder) {
    (void)folder;
    fail("--tls: built without OpenSSL");
}

void wire_open(struct agent *a) { (void)a; }

enum handshake wire_shake(struct agent *a) {
    (void)a;
    return HANDSHAKE_FAILED;
}

ssize_t wire_send(struct agent *a, const void *bytes, size_t size) {
    return send(a->fd, bytes, size, MSG_NOSIGNAL);
}

ssize_t wire_receive(struct agent *a, void *bytes, size_t size) {
    return recv(a->fd, bytes, size, 0);
}

void wire_free(struct agent *a) { (void)a; }

#endif
