// The keys that session tickets are sealed with (RFC 5077, 5.5; RFC 8446, 4.6.1), renewed by the hour: whoever gets at a key can read the
// tickets of its time, and what was sent in the sessions of TLS 1.2 that they hold.
//
// One set for all certificates of a listener, over its reloads; used on every worker's thread, in handshakes only. Nobody waits: keys
// are published by atomic pointers, and the one that renews is whoever comes first.
#ifndef SLUICE_TICKET_KEYS_H
#define SLUICE_TICKET_KEYS_H

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum {
    // The one that seals, and the two before it. A ticket can be used for two to three hours; sessions last for two.
    SLUICE_TICKET_KEYS = 3,
    SLUICE_TICKET_KEY_SECONDS = 3600,
};

typedef struct {
    unsigned char name[16], cipher[32], code[32];
} sluice_ticket_key;

typedef struct {
    _Atomic(int) holders;
    // Second of the monotonic clock at which the next key is made.
    _Atomic(long long) due;
    _Atomic(unsigned) newest;
    _Atomic(sluice_ticket_key *) keys[SLUICE_TICKET_KEYS];
    // Replaced at the last renewal and freed at the next one, an hour later, when no handshake can be reading it any more.
    _Atomic(sluice_ticket_key *) retired;
} sluice_ticket_keys;

static inline long long sluice_ticket_keys_now(void) {
    struct timespec now;
    return clock_gettime(CLOCK_MONOTONIC, &now) == 0 ? (long long)now.tv_sec : 0;
}

static inline void sluice_ticket_key_free(sluice_ticket_key *key) { OPENSSL_clear_free(key, sizeof *key); }

// Makes a new key the one that seals; the oldest is forgotten. False without randomness or memory: then all stays as it is.
static inline bool sluice_ticket_keys_renew(void *memory) {
    sluice_ticket_keys *keys = (sluice_ticket_keys *)memory;
    sluice_ticket_key *key = (sluice_ticket_key *)OPENSSL_malloc(sizeof *key);
    if (key == NULL) return false;
    if (RAND_bytes((unsigned char *)key, sizeof *key) != 1) {
        sluice_ticket_key_free(key);
        return false;
    }
    unsigned next = (atomic_load(&keys->newest) + 1) % SLUICE_TICKET_KEYS;
    sluice_ticket_key *oldest = atomic_exchange(&keys->keys[next], key);
    atomic_store(&keys->newest, next);
    sluice_ticket_key *retired = atomic_exchange(&keys->retired, oldest);
    if (retired != NULL) sluice_ticket_key_free(retired);
    return true;
}

// A set with one key and one holder; NULL without randomness or memory.
static inline void *sluice_ticket_keys_new(void) {
    sluice_ticket_keys *keys = (sluice_ticket_keys *)OPENSSL_zalloc(sizeof *keys);
    if (keys == NULL) return NULL;
    atomic_init(&keys->holders, 1);
    atomic_init(&keys->due, sluice_ticket_keys_now() + SLUICE_TICKET_KEY_SECONDS);
    if (!sluice_ticket_keys_renew(keys)) {
        OPENSSL_free(keys);
        return NULL;
    }
    return keys;
}

static inline void sluice_ticket_keys_hold(void *memory) { atomic_fetch_add(&((sluice_ticket_keys *)memory)->holders, 1); }

// Gives one hold up; the last one frees the set.
static inline void sluice_ticket_keys_release(void *memory) {
    sluice_ticket_keys *keys = (sluice_ticket_keys *)memory;
    if (keys == NULL || atomic_fetch_sub(&keys->holders, 1) > 1) return;
    for (int index = 0; index < SLUICE_TICKET_KEYS; index++) {
        sluice_ticket_key *key = atomic_load(&keys->keys[index]);
        if (key != NULL) sluice_ticket_key_free(key);
    }
    sluice_ticket_key *retired = atomic_load(&keys->retired);
    if (retired != NULL) sluice_ticket_key_free(retired);
    OPENSSL_free(keys);
}

// OpenSSL's question for a ticket's key. Making one: the newest key, its name and a fresh initialisation vector. Reading one: the key of
// that name. 1: done; 2: done, and the client should get another ticket, because its own is of an older key or because tickets of this
// version are for use once (RFC 8446, C.4); 0: nobody knows that name; -1: failed.
static inline int sluice_ticket_keys_use(void *memory, SSL *session, unsigned char *name, unsigned char *vector, EVP_CIPHER_CTX *cipher,
                                         EVP_MAC_CTX *code, int making) {
    sluice_ticket_keys *keys = (sluice_ticket_keys *)memory;
    long long now = sluice_ticket_keys_now(), due = atomic_load(&keys->due);
    if (now >= due && atomic_compare_exchange_strong(&keys->due, &due, now + SLUICE_TICKET_KEY_SECONDS)) sluice_ticket_keys_renew(keys);

    unsigned newest = atomic_load(&keys->newest);
    const sluice_ticket_key *key = NULL;
    bool is_newest = true;
    if (making) {
        key = atomic_load(&keys->keys[newest]);
        memcpy(name, key->name, sizeof key->name);
        if (RAND_bytes(vector, 16) != 1) return -1;
    } else {
        for (unsigned index = 0; index < SLUICE_TICKET_KEYS; index++) {
            const sluice_ticket_key *candidate = atomic_load(&keys->keys[index]);
            if (candidate == NULL || memcmp(candidate->name, name, sizeof candidate->name) != 0) continue;
            key = candidate;
            is_newest = index == newest;
        }
        if (key == NULL) return 0;
    }
    OSSL_PARAM settings[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->code, sizeof key->code),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    if (EVP_MAC_CTX_set_params(code, settings) != 1) return -1;
    if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, vector, making) != 1) return -1;
    return is_newest && SSL_version(session) != TLS1_3_VERSION ? 1 : 2;
}

#endif
