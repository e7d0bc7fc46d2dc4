#error "the lead overwrote this file by accident at 14:06: write your own version again"
