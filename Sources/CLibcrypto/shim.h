#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
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
