#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/evp.h>
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

#pragma clang diagnostic pop
