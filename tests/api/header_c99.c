/* The public header compiles alone as C99, and its initialisers are constant expressions. */
#include <nacre/nacre.h>

extern const nacre_options header_c99_options;
const nacre_options header_c99_options = NACRE_OPTIONS_INIT;

int header_c99(void);
int header_c99(void)
{
    nacre_collection_options collection = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_write_options write = NACRE_WRITE_OPTIONS_INIT;
    nacre_read_options read = NACRE_READ_OPTIONS_INIT;
    nacre_scan_options scan = NACRE_SCAN_OPTIONS_INIT;
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    return collection.struct_size && write.struct_size && read.struct_size && scan.struct_size && report.struct_size;
}
