#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/store.h>
#include <openssl/ui.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// Macros that Swift does not import.

/// `RSA_PSS_SALTLEN_AUTO`: accept the salt length that the signature itself has.
static inline int martlet_rsa_salt_length_auto(void) { return RSA_PSS_SALTLEN_AUTO; }

/// `BIO_get_mem_data`: the bytes that a memory BIO holds, which stay the BIO's.
static inline long martlet_bio_memory(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }

/// Puts a sentence into the thread's queue of errors.
static inline void martlet_raise(const char *text) {
    ERR_new();
    ERR_set_error(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "%s", text);
}

// Engines are deprecated since OpenSSL 3.0, and the only way to PKCS#11 on Debian 12; `ENGINE` is opaque for Swift.

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

static inline ENGINE *martlet_engine_by_id(const char *id) { return ENGINE_by_id(id); }

/// A command of the engine by name, with its text; optional commands are not there in every version.
static inline int martlet_engine_command(ENGINE *engine, const char *name, const char *value) {
    return ENGINE_ctrl_cmd_string(engine, name, value, 1);
}

static inline int martlet_engine_init(ENGINE *engine) { return ENGINE_init(engine); }

static inline EVP_PKEY *martlet_engine_load_key(ENGINE *engine, const char *uri, UI_METHOD *method, void *context) {
    return ENGINE_load_private_key(engine, uri, method, context);
}

// A key whose private half is elsewhere, as libcrypto's common providers see it: its public half with a method that
// signs somewhere else. Without it libssl would take the public half for the whole key.

typedef ECDSA_SIG *(*martlet_ecdsa_sign)(
    const unsigned char *digest, int count, const BIGNUM *inverse, const BIGNUM *r, EC_KEY *key);

static inline EC_KEY_METHOD *martlet_ec_method(martlet_ecdsa_sign sign) {
    int (*der)(int, const unsigned char *, int, unsigned char *, unsigned int *, const BIGNUM *, const BIGNUM *,
               EC_KEY *) = NULL;
    int (*setup)(EC_KEY *, BN_CTX *, BIGNUM **, BIGNUM **) = NULL;
    EC_KEY_METHOD *method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    if (method == NULL) return NULL;
    EC_KEY_METHOD_get_sign(method, &der, &setup, NULL);
    EC_KEY_METHOD_set_sign(method, der, setup, sign);
    return method;
}

/// The key of a SubjectPublicKeyInfo (DER) with a method of its own, which finds `context` at `index`; NULL on failure,
/// and the context stays the caller's then.
static inline EVP_PKEY *martlet_ec_delegate(
    const unsigned char *der, long count, const EC_KEY_METHOD *method, int index, void *context) {
    EC_KEY *ec = d2i_EC_PUBKEY(NULL, &der, count);
    EVP_PKEY *key = EVP_PKEY_new();
    if (ec != NULL && key != NULL && EC_KEY_set_method(ec, method) == 1 && EVP_PKEY_set1_EC_KEY(key, ec) == 1
        && EC_KEY_set_ex_data(ec, index, context) == 1) {
        EC_KEY_free(ec);
        return key;
    }
    EC_KEY_free(ec);
    EVP_PKEY_free(key);
    return NULL;
}

static inline void *martlet_ec_context(const EC_KEY *key, int index) { return EC_KEY_get_ex_data(key, index); }

#pragma clang diagnostic pop
