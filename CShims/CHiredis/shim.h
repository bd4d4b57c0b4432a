// hiredis as Sluice uses it: its formatting of commands and its parser of replies, not its sockets.
#ifndef SLUICE_CHIREDIS_H
#define SLUICE_CHIREDIS_H

#include <hiredis/hiredis.h>

#endif
