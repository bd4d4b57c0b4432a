// OpenSSL 3 as Sluice sees it. Macros that Swift cannot see are wrapped as static inline functions.
#ifndef SLUICE_COPENSSL_H
#define SLUICE_COPENSSL_H

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

#include "ticket_keys.h"

static inline void sluice_openssl_free(void *memory) { OPENSSL_free(memory); }

// HMAC (RFC 2104) from the hash functions themselves. EVP_MAC in OpenSSL 3 copies two digest contexts for every message, which allocates
// twice and takes three times the instructions around the two blocks that are hashed. These functions are called deprecated because
// they know no providers; their results are the same.

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

enum { SLUICE_HMAC_BLOCK_BYTES = 64 };  // of SHA-1 and SHA-256 alike

typedef union {
    SHA_CTX sha1;
    SHA256_CTX sha256;
} sluice_hash;

typedef struct {
    bool is_sha1;
    sluice_hash inner, outer;  // with the key's block absorbed
    sluice_hash message;
} sluice_hmac;

static inline bool sluice_hash_begin(bool is_sha1, sluice_hash *hash) {
    return (is_sha1 ? SHA1_Init(&hash->sha1) : SHA256_Init(&hash->sha256)) == 1;
}

static inline bool sluice_hash_update(bool is_sha1, sluice_hash *hash, const void *bytes, size_t count) {
    return (is_sha1 ? SHA1_Update(&hash->sha1, bytes, count) : SHA256_Update(&hash->sha256, bytes, count)) == 1;
}

/* Wipes the state, too. */
static inline bool sluice_hash_end(bool is_sha1, sluice_hash *hash, unsigned char *digest) {
    return (is_sha1 ? SHA1_Final(digest, &hash->sha1) : SHA256_Final(digest, &hash->sha256)) == 1;
}

/* SHA-256 of one message (FIPS 180-4), without a context that is allocated. */
static inline bool sluice_sha256(const void *bytes, size_t count, unsigned char *digest) {
    SHA256_CTX context;
    return SHA256_Init(&context) == 1 && SHA256_Update(&context, bytes, count) == 1 && SHA256_Final(digest, &context) == 1;
}

/* Absorbs the key. */
static inline bool sluice_hmac_set_key(sluice_hmac *hmac, bool is_sha1, const unsigned char *key, size_t count) {
    unsigned char block[SLUICE_HMAC_BLOCK_BYTES] = {0};
    hmac->is_sha1 = is_sha1;
    bool done = true;
    if (count <= sizeof block) {
        memcpy(block, key, count);
    } else {
        done = sluice_hash_begin(is_sha1, &hmac->message) && sluice_hash_update(is_sha1, &hmac->message, key, count) &&
               sluice_hash_end(is_sha1, &hmac->message, block);
    }
    for (size_t index = 0; index < sizeof block; index++) block[index] ^= 0x36;
    done = done && sluice_hash_begin(is_sha1, &hmac->inner) && sluice_hash_update(is_sha1, &hmac->inner, block, sizeof block);
    for (size_t index = 0; index < sizeof block; index++) block[index] ^= 0x36 ^ 0x5C;
    done = done && sluice_hash_begin(is_sha1, &hmac->outer) && sluice_hash_update(is_sha1, &hmac->outer, block, sizeof block);
    OPENSSL_cleanse(block, sizeof block);
    return done;
}

static inline void sluice_hmac_begin(sluice_hmac *hmac) { hmac->message = hmac->inner; }

static inline bool sluice_hmac_update(sluice_hmac *hmac, const void *bytes, size_t count) {
    return sluice_hash_update(hmac->is_sha1, &hmac->message, bytes, count);
}

/* Writes 20 or 32 bytes. */
static inline bool sluice_hmac_end(sluice_hmac *hmac, unsigned char *code) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    if (!sluice_hash_end(hmac->is_sha1, &hmac->message, digest)) return false;
    hmac->message = hmac->outer;
    return sluice_hash_update(hmac->is_sha1, &hmac->message, digest, hmac->is_sha1 ? SHA_DIGEST_LENGTH : SHA256_DIGEST_LENGTH) &&
           sluice_hash_end(hmac->is_sha1, &hmac->message, code);
}

#pragma clang diagnostic pop

// Keys.

static const int sluice_EVP_PKEY_PUBLIC_KEY = EVP_PKEY_PUBLIC_KEY;

// Contexts.

/* What Sluice sets for every context: TLS 1.2 is the oldest version, a handshake is never
 * repeated on a connection (RFC 5746 says how; nobody needs it and it costs the server more than the client), and
 * nothing is compressed (RFC 7457, 2.6). SSL_OP_IGNORE_UNEXPECTED_EOF stays off: see TLSSession. */
static const uint64_t sluice_SSL_OP_BASE = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;

/* For servers: our order of ciphers counts, but a client that puts ChaCha20 first has no AES instructions. */
static const uint64_t sluice_SSL_OP_SERVER = SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;

static inline int sluice_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}

static inline int sluice_SSL_CTX_set_max_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_max_proto_version(context, version);
}

static inline void sluice_SSL_CTX_set_mode(SSL_CTX *context, unsigned mode) { SSL_CTX_set_mode(context, mode); }

static inline void sluice_SSL_CTX_set_session_cache_mode(SSL_CTX *context, int mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}

/* Bytes of the certificates that a peer may send. */
static inline void sluice_SSL_CTX_set_max_cert_list(SSL_CTX *context, long bytes) { SSL_CTX_set_max_cert_list(context, bytes); }

/* For peers' certificates alone: the chain that is sent is not looked for there. Takes a reference of its own to the store. */
static inline int sluice_SSL_CTX_set1_verify_cert_store(SSL_CTX *context, X509_STORE *store) {
    return SSL_CTX_set1_verify_cert_store(context, store);
}

static inline void sluice_SSL_CTX_set_read_ahead(SSL_CTX *context) { SSL_CTX_set_read_ahead(context, 1); }

/* Takes a reference of its own to the certificate. */
static inline int sluice_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}

static inline void sluice_SSL_CTX_set_servername_callback(SSL_CTX *context, int (*callback)(SSL *, int *, void *),
                                                          void *argument) {
    SSL_CTX_set_tlsext_servername_callback(context, callback);
    SSL_CTX_set_tlsext_servername_arg(context, argument);
}

// Sessions.

static inline int sluice_SSL_set_tlsext_host_name(SSL *session, const char *name) {
    return (int)SSL_set_tlsext_host_name(session, name);
}

/* These make the call that is under way fail: a queued error is what OpenSSL looks at first. */
static inline void sluice_raise_too_many_messages(void) { ERR_raise(ERR_LIB_SSL, SSL_R_TOO_MANY_KEY_UPDATES); }
static inline void sluice_raise_no_renegotiation(void) { ERR_raise(ERR_LIB_SSL, SSL_R_NO_RENEGOTIATION); }

// Stacks of general names: type-safe wrappers in OpenSSL are macros.

static inline GENERAL_NAMES *sluice_X509_subject_alternative_names(const X509 *certificate) {
    return (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}

/* Whether the certificate says where its issuer's can be had (RFC 5280, 4.2.2.1). */
static inline bool sluice_X509_tells_issuer(const X509 *certificate) {
    AUTHORITY_INFO_ACCESS *places = (AUTHORITY_INFO_ACCESS *)X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
    bool told = false;
    for (int index = 0; index < sk_ACCESS_DESCRIPTION_num(places); index++) {
        if (OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(places, index)->method) == NID_ad_ca_issuers) told = true;
    }
    AUTHORITY_INFO_ACCESS_free(places);
    return told;
}

static inline int sluice_GENERAL_NAMES_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }

/* The name at `index` if it is a DNS name, otherwise NULL. Owned by `names`. */
static inline const ASN1_STRING *sluice_GENERAL_NAMES_dns(const GENERAL_NAMES *names, int index) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    return name != NULL && name->type == GEN_DNS ? name->d.dNSName : NULL;
}

/* The text of the name at `index` if it is one of DNS, of a URI or of mail (`kind` says which), otherwise NULL. Owned by `names`. */
static inline const ASN1_STRING *sluice_GENERAL_NAMES_text(const GENERAL_NAMES *names, int index, int *kind) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name == NULL || (name->type != GEN_DNS && name->type != GEN_URI && name->type != GEN_EMAIL)) return NULL;
    *kind = name->type;
    return name->d.ia5;
}

static inline int sluice_X509s_count(const STACK_OF(X509) *certificates) {
    return certificates == NULL ? 0 : sk_X509_num(certificates);
}

static inline X509 *sluice_X509s_at(const STACK_OF(X509) *certificates, int index) { return sk_X509_value(certificates, index); }

// Lists of revoked certificates.

/* What the list covers, owned by the caller; NULL if it does not say so, or not readably. */
static inline ISSUING_DIST_POINT *sluice_X509_CRL_scope(const X509_CRL *list) {
    return (ISSUING_DIST_POINT *)X509_CRL_get_ext_d2i(list, NID_issuing_distribution_point, NULL, NULL);
}

/* Where the certificate says that lists which cover it can be had, owned by the caller; NULL if it does not say so. */
static inline CRL_DIST_POINTS *sluice_X509_list_places(const X509 *certificate) {
    return (CRL_DIST_POINTS *)X509_get_ext_d2i(certificate, NID_crl_distribution_points, NULL, NULL);
}

/* Whether one of a certificate's places is one of those that a list covers (RFC 5280, 6.3.3 (b)(2)(i)). A place for some reasons only, or with lists of
 * another issuer, does not count. */
static inline bool sluice_is_listed_at(const CRL_DIST_POINTS *points, const ISSUING_DIST_POINT *scope) {
    if (scope->distpoint == NULL || scope->distpoint->type != 0) return false;
    const GENERAL_NAMES *names = scope->distpoint->name.fullname;
    for (int index = 0; index < sk_DIST_POINT_num(points); index++) {
        const DIST_POINT *point = sk_DIST_POINT_value(points, index);
        if (point->reasons != NULL || point->CRLissuer != NULL || point->distpoint == NULL || point->distpoint->type != 0) continue;
        const GENERAL_NAMES *places = point->distpoint->name.fullname;
        for (int place = 0; place < sk_GENERAL_NAME_num(places); place++) {
            for (int name = 0; name < sk_GENERAL_NAME_num(names); name++) {
                if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(places, place), sk_GENERAL_NAME_value(names, name)) == 0) return true;
            }
        }
    }
    return false;
}

/* Whether the list or one of its entries has a critical extension besides what the list covers, or an entry is another authority's. */
static inline bool sluice_X509_CRL_has_unknown(X509_CRL *list) {
    for (int index = 0; index < X509_CRL_get_ext_count(list); index++) {
        X509_EXTENSION *extension = X509_CRL_get_ext(list, index);
        int kind = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        bool known = kind == NID_issuing_distribution_point || kind == NID_authority_key_identifier || kind == NID_crl_number;
        if (X509_EXTENSION_get_critical(extension) && !known) return true;
    }
    const STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(list);
    for (int place = 0; place < sk_X509_REVOKED_num(entries); place++) {
        const X509_REVOKED *entry = sk_X509_REVOKED_value(entries, place);
        for (int index = 0; index < X509_REVOKED_get_ext_count(entry); index++) {
            X509_EXTENSION *extension = X509_REVOKED_get_ext(entry, index);
            int kind = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
            /* An entry of another authority (RFC 5280, 5.3.3) changes what those behind it mean. */
            if (kind == NID_certificate_issuer || (X509_EXTENSION_get_critical(extension) && kind != NID_crl_reason)) return true;
        }
    }
    return false;
}

#endif
