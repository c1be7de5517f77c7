// curl_easy_setopt and its kin are variadic, which Swift cannot call: one typed function for each kind of argument.

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <time.h>

static inline CURLcode martlet_curl_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode martlet_curl_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}

// libcurl copies the string; NULL takes the option back to nothing.
static inline CURLcode martlet_curl_set_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode martlet_curl_set_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode martlet_curl_set_blob(CURL *easy, CURLoption option, const void *bytes, size_t count) {
    struct curl_blob blob;
    blob.data = (void *)bytes;
    blob.len = count;
    blob.flags = CURL_BLOB_COPY;
    return curl_easy_setopt(easy, option, &blob);
}

typedef size_t (*martlet_curl_data)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode martlet_curl_on_write(CURL *easy, martlet_curl_data callback, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, callback);
    return code == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_WRITEDATA, context) : code;
}

static inline CURLcode martlet_curl_on_header(CURL *easy, martlet_curl_data callback, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, callback);
    return code == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_HEADERDATA, context) : code;
}

static inline CURLcode martlet_curl_on_read(CURL *easy, martlet_curl_data callback, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_READFUNCTION, callback);
    return code == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_READDATA, context) : code;
}

static inline CURLcode martlet_curl_on_seek(
    CURL *easy, int (*callback)(void *context, curl_off_t offset, int origin), void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, callback);
    return code == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_SEEKDATA, context) : code;
}

static inline long martlet_curl_status(CURL *easy) {
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static inline long martlet_curl_verify_result(CURL *easy) {
    long result = 0;
    curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &result);
    return result;
}

static inline CURLMcode martlet_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

// libcurl takes private keys as files, as PEM, or from an engine. A key that stays in its token exists as EVP_PKEY only,
// and goes into the SSL_CTX that libcurl offers before each handshake.

typedef CURLcode (*martlet_curl_tls)(CURL *easy, void *tls, void *context);

static inline CURLcode martlet_curl_on_tls(CURL *easy, martlet_curl_tls callback, void *context) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, callback);
    return code == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, context) : code;
}

/// Lets an SSL_CTX judge certificates by another time than the system's, in seconds since 1970.
static inline void martlet_tls_judge_at(void *tls, long long seconds) {
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param((SSL_CTX *)tls), (time_t)seconds);
}

/// Gives an SSL_CTX the certificates (PEM, leaf first) and the leaf's private key; 1 where they are a pair.
static inline int martlet_tls_present(void *tls, const void *pem, size_t count, EVP_PKEY *key) {
    SSL_CTX *context = (SSL_CTX *)tls;
    BIO *bio = BIO_new_mem_buf(pem, (int)count);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    int good = certificate != NULL && SSL_CTX_use_certificate(context, certificate) == 1;
    X509_free(certificate);
    while (good && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        good = SSL_CTX_add1_chain_cert(context, certificate) == 1;
        X509_free(certificate);
    }
    BIO_free(bio);
    good = good && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    // The end of the PEM text is an error too, and libcurl would take it for the handshake's.
    ERR_clear_error();
    return good;
}
