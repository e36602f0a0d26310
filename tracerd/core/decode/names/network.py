"""Names of the constants that calls on sockets take."""

from __future__ import annotations

from typing import Final

from tracerd.core.decode.sets import FlagSet, ValueSet

FAMILY: Final = ValueSet(
    {
        "AF_UNSPEC": 0,
        "AF_UNIX": 1,
        "AF_INET": 2,
        "AF_AX25": 3,
        "AF_IPX": 4,
        "AF_APPLETALK": 5,
        "AF_NETROM": 6,
        "AF_BRIDGE": 7,
        "AF_ATMPVC": 8,
        "AF_X25": 9,
        "AF_INET6": 10,
        "AF_ROSE": 11,
        "AF_NETBEUI": 13,
        "AF_SECURITY": 14,
        "AF_KEY": 15,
        "AF_NETLINK": 16,
        "AF_PACKET": 17,
        "AF_ASH": 18,
        "AF_ECONET": 19,
        "AF_ATMSVC": 20,
        "AF_RDS": 21,
        "AF_SNA": 22,
        "AF_IRDA": 23,
        "AF_PPPOX": 24,
        "AF_WANPIPE": 25,
        "AF_LLC": 26,
        "AF_IB": 27,
        "AF_MPLS": 28,
        "AF_CAN": 29,
        "AF_TIPC": 30,
        "AF_BLUETOOTH": 31,
        "AF_IUCV": 32,
        "AF_RXRPC": 33,
        "AF_ISDN": 34,
        "AF_PHONET": 35,
        "AF_IEEE802154": 36,
        "AF_CAIF": 37,
        "AF_ALG": 38,
        "AF_NFC": 39,
        "AF_VSOCK": 40,
        "AF_KCM": 41,
        "AF_QIPCRTR": 42,
        "AF_SMC": 43,
        "AF_XDP": 44,
        "AF_MCTP": 45,
    }
)

SOCKET_TYPE: Final = FlagSet(
    {"SOCK_CLOEXEC": 0o2000000, "SOCK_NONBLOCK": 0o4000},
    mask=0xF,
    field={
        "SOCK_STREAM": 1,
        "SOCK_DGRAM": 2,
        "SOCK_RAW": 3,
        "SOCK_RDM": 4,
        "SOCK_SEQPACKET": 5,
        "SOCK_DCCP": 6,
        "SOCK_PACKET": 10,
    },
)

ACCEPT: Final = FlagSet({"SOCK_CLOEXEC": 0o2000000, "SOCK_NONBLOCK": 0o4000})

IP_PROTOCOL: Final = ValueSet(
    {
        "IPPROTO_IP": 0,
        "IPPROTO_ICMP": 1,
        "IPPROTO_IGMP": 2,
        "IPPROTO_IPIP": 4,
        "IPPROTO_TCP": 6,
        "IPPROTO_EGP": 8,
        "IPPROTO_PUP": 12,
        "IPPROTO_UDP": 17,
        "IPPROTO_IDP": 22,
        "IPPROTO_TP": 29,
        "IPPROTO_DCCP": 33,
        "IPPROTO_IPV6": 41,
        "IPPROTO_ROUTING": 43,
        "IPPROTO_FRAGMENT": 44,
        "IPPROTO_RSVP": 46,
        "IPPROTO_GRE": 47,
        "IPPROTO_ESP": 50,
        "IPPROTO_AH": 51,
        "IPPROTO_ICMPV6": 58,
        "IPPROTO_NONE": 59,
        "IPPROTO_DSTOPTS": 60,
        "IPPROTO_MTP": 92,
        "IPPROTO_BEETPH": 94,
        "IPPROTO_ENCAP": 98,
        "IPPROTO_PIM": 103,
        "IPPROTO_COMP": 108,
        "IPPROTO_SCTP": 132,
        "IPPROTO_MH": 135,
        "IPPROTO_UDPLITE": 136,
        "IPPROTO_MPLS": 137,
        "IPPROTO_ETHERNET": 143,
        "IPPROTO_RAW": 255,
        "IPPROTO_MPTCP": 262,
    }
)

NETLINK_PROTOCOL: Final = ValueSet(
    {
        "NETLINK_ROUTE": 0,
        "NETLINK_USERSOCK": 2,
        "NETLINK_FIREWALL": 3,
        "NETLINK_SOCK_DIAG": 4,
        "NETLINK_NFLOG": 5,
        "NETLINK_XFRM": 6,
        "NETLINK_SELINUX": 7,
        "NETLINK_ISCSI": 8,
        "NETLINK_AUDIT": 9,
        "NETLINK_FIB_LOOKUP": 10,
        "NETLINK_CONNECTOR": 11,
        "NETLINK_NETFILTER": 12,
        "NETLINK_IP6_FW": 13,
        "NETLINK_DNRTMSG": 14,
        "NETLINK_KOBJECT_UEVENT": 15,
        "NETLINK_GENERIC": 16,
        "NETLINK_SCSITRANSPORT": 18,
        "NETLINK_ECRYPTFS": 19,
        "NETLINK_RDMA": 20,
        "NETLINK_CRYPTO": 21,
        "NETLINK_SMC": 22,
    }
)

PROTOCOLS: Final = {2: IP_PROTOCOL, 10: IP_PROTOCOL, 16: NETLINK_PROTOCOL}
"""Names of protocols, by address family."""

MSG: Final = FlagSet(
    {
        "MSG_OOB": 0x1,
        "MSG_PEEK": 0x2,
        "MSG_DONTROUTE": 0x4,
        "MSG_CTRUNC": 0x8,
        "MSG_PROXY": 0x10,
        "MSG_TRUNC": 0x20,
        "MSG_DONTWAIT": 0x40,
        "MSG_EOR": 0x80,
        "MSG_WAITALL": 0x100,
        "MSG_FIN": 0x200,
        "MSG_SYN": 0x400,
        "MSG_CONFIRM": 0x800,
        "MSG_RST": 0x1000,
        "MSG_ERRQUEUE": 0x2000,
        "MSG_NOSIGNAL": 0x4000,
        "MSG_MORE": 0x8000,
        "MSG_WAITFORONE": 0x10000,
        "MSG_BATCH": 0x40000,
        "MSG_ZEROCOPY": 0x4000000,
        "MSG_FASTOPEN": 0x20000000,
        "MSG_CMSG_CLOEXEC": 0x40000000,
        "MSG_SPLICE_PAGES": 0x8000000,
        "MSG_CMSG_COMPAT": 0x80000000,
    }
)

SHUTDOWN: Final = ValueSet(
    {
        "SHUT_RD": 0,
        "SHUT_WR": 1,
        "SHUT_RDWR": 2,
    }
)

_LEVEL = {
    "SOL_SOCKET": 1,
    "SOL_RAW": 255,
    "SOL_X25": 262,
    "SOL_PACKET": 263,
    "SOL_ATM": 264,
    "SOL_AAL": 265,
    "SOL_NETBEUI": 267,
    "SOL_LLC": 268,
    "SOL_DCCP": 269,
    "SOL_NETLINK": 270,
    "SOL_TIPC": 271,
    "SOL_RXRPC": 272,
    "SOL_PPPOL2TP": 273,
    "SOL_BLUETOOTH": 274,
    "SOL_RDS": 276,
    "SOL_IUCV": 277,
    "SOL_CAIF": 278,
    "SOL_ALG": 279,
    "SOL_NFC": 280,
    "SOL_KCM": 281,
    "SOL_TLS": 282,
    "SOL_XDP": 283,
    "SOL_MPTCP": 284,
    "SOL_MCTP": 285,
    "SOL_SMC": 286,
    "SOL_VSOCK": 287,
}
LEVEL: Final = ValueSet(
    {
        "SOL_IP": 0,
        "SOL_TCP": 6,
        "SOL_UDP": 17,
        "SOL_IPV6": 41,
        "SOL_ICMPV6": 58,
        "SOL_SCTP": 132,
        "SOL_UDPLITE": 136,
        **_LEVEL,
    }
)

SCM: Final = ValueSet(
    {
        "SCM_RIGHTS": 1,
        "SCM_CREDENTIALS": 2,
        "SCM_SECURITY": 3,
        "SCM_PIDFD": 4,
        "SO_TIMESTAMP": 29,
        "SO_TIMESTAMPNS": 35,
        "SO_TIMESTAMPING": 37,
        "SO_RXQ_OVFL": 40,
    }
)
"""Types of control messages of SOL_SOCKET; some bear the name of the option that asks for them."""

SOCKETCALL: Final = ValueSet(
    {
        "SYS_SOCKET": 1,
        "SYS_BIND": 2,
        "SYS_CONNECT": 3,
        "SYS_LISTEN": 4,
        "SYS_ACCEPT": 5,
        "SYS_GETSOCKNAME": 6,
        "SYS_GETPEERNAME": 7,
        "SYS_SOCKETPAIR": 8,
        "SYS_SEND": 9,
        "SYS_RECV": 10,
        "SYS_SENDTO": 11,
        "SYS_RECVFROM": 12,
        "SYS_SHUTDOWN": 13,
        "SYS_SETSOCKOPT": 14,
        "SYS_GETSOCKOPT": 15,
        "SYS_SENDMSG": 16,
        "SYS_RECVMSG": 17,
        "SYS_ACCEPT4": 18,
        "SYS_RECVMMSG": 19,
        "SYS_SENDMMSG": 20,
    }
)

INTERFACE: Final = FlagSet(
    {
        "IFF_UP": 0x1,
        "IFF_BROADCAST": 0x2,
        "IFF_DEBUG": 0x4,
        "IFF_LOOPBACK": 0x8,
        "IFF_POINTOPOINT": 0x10,
        "IFF_NOTRAILERS": 0x20,
        "IFF_RUNNING": 0x40,
        "IFF_NOARP": 0x80,
        "IFF_PROMISC": 0x100,
        "IFF_ALLMULTI": 0x200,
        "IFF_MASTER": 0x400,
        "IFF_SLAVE": 0x800,
        "IFF_MULTICAST": 0x1000,
        "IFF_PORTSEL": 0x2000,
        "IFF_AUTOMEDIA": 0x4000,
        "IFF_DYNAMIC": 0x8000,
    }
)

CID: Final = ValueSet(
    {
        "VMADDR_CID_ANY": 0xFFFF_FFFF,
        "VMADDR_CID_HYPERVISOR": 0,
        "VMADDR_CID_LOCAL": 1,
        "VMADDR_CID_HOST": 2,
    }
)
"""Whom an address of AF_VSOCK is of."""
