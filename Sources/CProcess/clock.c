#include "CProcess.h"

#include <sys/timex.h>

// Nothing is changed: no mode is set.
int cprocess_clock_is_synchronised(void) {
    struct timex state = {0};
    int result = adjtimex(&state);
    if (result < 0) return -1;
    return result == TIME_ERROR ? 0 : 1;
}
