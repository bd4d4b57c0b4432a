/* RS256 signatures for the benchmarks: one for each line of standard input, in base64url, one a line.
 *
 *   tokens KEY_FILE < LINES */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

static void print_base64url(const unsigned char *bytes, size_t count) {
    unsigned char text[1024];
    size_t length = (size_t)EVP_EncodeBlock(text, bytes, (int)count);
    while (length > 0 && text[length - 1] == '=') length--;
    for (size_t i = 0; i < length; i++) putchar(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]);
    putchar('\n');
}

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    if (key == NULL) { fprintf(stderr, "usage: tokens KEY_FILE < LINES\n"); return 2; }
    char line[4096];
    unsigned char signature[512];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    while (fgets(line, sizeof line, stdin)) {
        size_t count = sizeof signature;
        EVP_MD_CTX_reset(context);
        if (EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1
            || EVP_DigestSign(context, signature, &count, (unsigned char *)line, strcspn(line, "\n")) != 1) return 1;
        print_base64url(signature, count);
    }
    return 0;
}
