"""Names of what terminals can be told: the flags of struct termios, and what tcflush and tcflow do.

See <asm-generic/termbits.h>.
"""

from __future__ import annotations

from typing import Final

from tracerd.core.decode.sets import FlagSet, ValueSet

INPUT: Final = FlagSet(
    {
        "IGNBRK": 0o1,
        "BRKINT": 0o2,
        "IGNPAR": 0o4,
        "PARMRK": 0o10,
        "INPCK": 0o20,
        "ISTRIP": 0o40,
        "INLCR": 0o100,
        "IGNCR": 0o200,
        "ICRNL": 0o400,
        "IUCLC": 0o1000,
        "IXON": 0o2000,
        "IXANY": 0o4000,
        "IXOFF": 0o10000,
        "IMAXBEL": 0o20000,
        "IUTF8": 0o40000,
    }
)

OUTPUT: Final = FlagSet(
    {
        "OPOST": 0o1,
        "OLCUC": 0o2,
        "ONLCR": 0o4,
        "OCRNL": 0o10,
        "ONOCR": 0o20,
        "ONLRET": 0o40,
        "OFILL": 0o100,
        "OFDEL": 0o200,
    }
)
DELAYS: Final = (
    (0o400, ("NL0", "NL1")),
    (0o3000, ("CR0", "CR1", "CR2", "CR3")),
    (0o14000, ("TAB0", "TAB1", "TAB2", "TAB3")),
    (0o20000, ("BS0", "BS1")),
    (0o40000, ("VT0", "VT1")),
    (0o100000, ("FF0", "FF1")),
)
"""Fields of bits in the output flags, and the names of their values."""

SPEED_MASK: Final = 0o10017
SPEED: Final = ValueSet(
    {
        **{
            f"B{speed}": number
            for number, speed in enumerate(
                (0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200,
                 38400)
            )
        },
        "BOTHER": 0o10000,
        **{
            f"B{speed}": 0o10001 + number
            for number, speed in enumerate(
                (57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000,
                 2000000, 2500000, 3000000, 3500000, 4000000)
            )
        },
    }
)  # fmt: skip
SIZE_MASK: Final = 0o60
SIZE: Final = ("CS5", "CS6", "CS7", "CS8")
CONTROL: Final = FlagSet(
    {
        "CSTOPB": 0o100,
        "CREAD": 0o200,
        "PARENB": 0o400,
        "PARODD": 0o1000,
        "HUPCL": 0o2000,
        "CLOCAL": 0o4000,
        "CMSPAR": 0o10000000000,
        "CRTSCTS": 0o20000000000,
    }
)

LOCAL: Final = FlagSet(
    {
        "ISIG": 0o1,
        "ICANON": 0o2,
        "XCASE": 0o4,
        "ECHO": 0o10,
        "ECHOE": 0o20,
        "ECHOK": 0o40,
        "ECHONL": 0o100,
        "NOFLSH": 0o200,
        "IEXTEN": 0o100000,
        "ECHOCTL": 0o1000,
        "ECHOPRT": 0o2000,
        "ECHOKE": 0o4000,
        "FLUSHO": 0o10000,
        "PENDIN": 0o40000,
        "TOSTOP": 0o400,
        "EXTPROC": 0o200000,
    }
)

DISCIPLINE: Final = ValueSet(
    {
        "N_TTY": 0,
        "N_SLIP": 1,
        "N_MOUSE": 2,
        "N_PPP": 3,
        "N_STRIP": 4,
        "N_AX25": 5,
        "N_X25": 6,
        "N_6PACK": 7,
        "N_MASC": 8,
        "N_R3964": 9,
        "N_HDLC": 13,
        "N_SYNC_PPP": 14,
        "N_HCI": 15,
    }
)

_CHARACTERS: Final = (
    "VINTR VQUIT VERASE VKILL VEOF VTIME VMIN VSWTC VSTART VSTOP VSUSP VEOL VREPRINT VDISCARD "
    "VWERASE VLNEXT VEOL2"
)
CHARACTERS: Final = tuple(_CHARACTERS.split())
"""What the control characters are for, in the order of c_cc."""

FLUSH: Final = ValueSet({"TCIFLUSH": 0, "TCOFLUSH": 1, "TCIOFLUSH": 2})
FLOW: Final = ValueSet({"TCOOFF": 0, "TCOON": 1, "TCIOFF": 2, "TCION": 3})
MODEM: Final = FlagSet(
    {
        "TIOCM_LE": 0x1,
        "TIOCM_DTR": 0x2,
        "TIOCM_RTS": 0x4,
        "TIOCM_ST": 0x8,
        "TIOCM_SR": 0x10,
        "TIOCM_CTS": 0x20,
        "TIOCM_CAR": 0x40,
        "TIOCM_RNG": 0x80,
        "TIOCM_DSR": 0x100,
        "TIOCM_OUT1": 0x2000,
        "TIOCM_OUT2": 0x4000,
        "TIOCM_LOOP": 0x8000,
    }
)
