// The public header compiles alone as C++17, and its names have C linkage.
#include <nacre/nacre.h>

#include <type_traits>

static_assert(NACRE_OK == 0, "success is zero");
static_assert(std::is_standard_layout<nacre_options>::value, "options are plain structs");

int header_cpp17()
{
    nacre_options options = NACRE_OPTIONS_INIT;
    nacre_collection_options collection = NACRE_COLLECTION_OPTIONS_INIT;
    nacre_write_options write = NACRE_WRITE_OPTIONS_INIT;
    nacre_read_options read = NACRE_READ_OPTIONS_INIT;
    nacre_scan_options scan = NACRE_SCAN_OPTIONS_INIT;
    nacre_verify_report report = NACRE_VERIFY_REPORT_INIT;
    int (*open)(const char *, const nacre_options *, nacre_store **) = nacre_open;
    return open && options.struct_size && collection.struct_size && write.struct_size && read.struct_size &&
           scan.struct_size && report.struct_size;
}
