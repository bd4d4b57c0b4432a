// PCRE2 with 8-bit code units. Its generic names (pcre2_match ...) are macros that Swift cannot see;
// the suffixed names (pcre2_match_8 ...) are functions that it can.
#ifndef SLUICE_CPCRE2_H
#define SLUICE_CPCRE2_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#endif
