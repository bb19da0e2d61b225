# Declarations of libpcap (>= 1.10): names and types only, as <pcap/pcap.h> has them.

from libc.stdint cimport uint8_t
from libc.stdio cimport FILE
from posix.time cimport timeval


cdef extern from "<pcap/pcap.h>" nogil:
    ctypedef struct pcap_t:
        pass

    ctypedef struct pcap_dumper_t:
        pass

    ctypedef unsigned int bpf_u_int32

    cdef struct bpf_insn:
        pass

    cdef struct bpf_program:
        unsigned int bf_len
        bpf_insn *bf_insns

    cdef struct pcap_pkthdr:
        timeval ts  # tv_usec holds nanoseconds with PCAP_TSTAMP_PRECISION_NANO
        bpf_u_int32 caplen
        bpf_u_int32 len

    enum:
        DLT_EN10MB
        PCAP_ERRBUF_SIZE
        PCAP_ERROR_BREAK
        PCAP_NETMASK_UNKNOWN
        PCAP_TSTAMP_PRECISION_MICRO
        PCAP_TSTAMP_PRECISION_NANO

    pcap_t *pcap_open_dead_with_tstamp_precision(int linktype, int snaplen, unsigned int precision)
    # Takes the FILE over when it succeeds, leaves it to the caller when it fails.
    pcap_t *pcap_fopen_offline_with_tstamp_precision(FILE *fp, unsigned int precision, char *errbuf)
    void pcap_close(pcap_t *p)
    char *pcap_geterr(pcap_t *p)
    int pcap_datalink(pcap_t *p)
    const char *pcap_datalink_val_to_name(int dlt)
    const char *pcap_datalink_val_to_description(int dlt)
    int pcap_next_ex(pcap_t *p, pcap_pkthdr **header, const uint8_t **data)

    int pcap_compile(pcap_t *p, bpf_program *fp, const char *text, int optimize, bpf_u_int32 netmask)
    int pcap_offline_filter(const bpf_program *fp, const pcap_pkthdr *header, const uint8_t *data)
    void pcap_freecode(bpf_program *fp)

    # Takes the FILE over when it succeeds, closes it when writing the file header fails.
    pcap_dumper_t *pcap_dump_fopen(pcap_t *p, FILE *fp)
    void pcap_dump(uint8_t *user, const pcap_pkthdr *header, const uint8_t *data)
    int pcap_dump_flush(pcap_dumper_t *p)
