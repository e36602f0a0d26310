"""Names of the constants that calls on mounts and file systems take."""

from __future__ import annotations

from typing import Final

from tracerd.core.decode.sets import FlagSet, ValueSet

MOUNT: Final = FlagSet(
    {
        "MS_RDONLY": 0x1,
        "MS_NOSUID": 0x2,
        "MS_NODEV": 0x4,
        "MS_NOEXEC": 0x8,
        "MS_SYNCHRONOUS": 0x10,
        "MS_REMOUNT": 0x20,
        "MS_MANDLOCK": 0x40,
        "MS_DIRSYNC": 0x80,
        "MS_NOSYMFOLLOW": 0x100,
        "MS_NOATIME": 0x400,
        "MS_NODIRATIME": 0x800,
        "MS_BIND": 0x1000,
        "MS_MOVE": 0x2000,
        "MS_REC": 0x4000,
        "MS_SILENT": 0x8000,
        "MS_POSIXACL": 0x10000,
        "MS_UNBINDABLE": 0x20000,
        "MS_PRIVATE": 0x40000,
        "MS_SLAVE": 0x80000,
        "MS_SHARED": 0x100000,
        "MS_RELATIME": 0x200000,
        "MS_KERNMOUNT": 0x400000,
        "MS_I_VERSION": 0x800000,
        "MS_STRICTATIME": 0x1000000,
        "MS_LAZYTIME": 0x2000000,
    },
    mask=0xFFFF0000,
    field={"MS_MGC_VAL": 0xC0ED0000},
)

UMOUNT: Final = FlagSet({"MNT_FORCE": 1, "MNT_DETACH": 2, "MNT_EXPIRE": 4, "UMOUNT_NOFOLLOW": 8})

MOVE_MOUNT: Final = FlagSet(
    {
        "MOVE_MOUNT_F_SYMLINKS": 0x1,
        "MOVE_MOUNT_F_AUTOMOUNTS": 0x2,
        "MOVE_MOUNT_F_EMPTY_PATH": 0x4,
        "MOVE_MOUNT_T_SYMLINKS": 0x10,
        "MOVE_MOUNT_T_AUTOMOUNTS": 0x20,
        "MOVE_MOUNT_T_EMPTY_PATH": 0x40,
        "MOVE_MOUNT_SET_GROUP": 0x100,
        "MOVE_MOUNT_BENEATH": 0x200,
    }
)

FSOPEN: Final = FlagSet({"FSOPEN_CLOEXEC": 1})
FSMOUNT: Final = FlagSet({"FSMOUNT_CLOEXEC": 1})
FSPICK: Final = FlagSet(
    {
        "FSPICK_CLOEXEC": 1,
        "FSPICK_SYMLINK_NOFOLLOW": 2,
        "FSPICK_NO_AUTOMOUNT": 4,
        "FSPICK_EMPTY_PATH": 8,
    }
)
FSCONFIG: Final = ValueSet(
    {
        "FSCONFIG_SET_FLAG": 0,
        "FSCONFIG_SET_STRING": 1,
        "FSCONFIG_SET_BINARY": 2,
        "FSCONFIG_SET_PATH": 3,
        "FSCONFIG_SET_PATH_EMPTY": 4,
        "FSCONFIG_SET_FD": 5,
        "FSCONFIG_CMD_CREATE": 6,
        "FSCONFIG_CMD_RECONFIGURE": 7,
        "FSCONFIG_CMD_CREATE_EXCL": 8,
    }
)
MOUNT_ATTR: Final = FlagSet(
    {
        "MOUNT_ATTR_RDONLY": 0x1,
        "MOUNT_ATTR_NOSUID": 0x2,
        "MOUNT_ATTR_NODEV": 0x4,
        "MOUNT_ATTR_NOEXEC": 0x8,
        "MOUNT_ATTR_NODIRATIME": 0x80,
        "MOUNT_ATTR_IDMAP": 0x100000,
        "MOUNT_ATTR_NOSYMFOLLOW": 0x200000,
    },
    mask=0x70,
    field={"MOUNT_ATTR_NOATIME": 0x10, "MOUNT_ATTR_STRICTATIME": 0x20},
)
"""The access time is a field of three bits; zero, relatime, is not shown."""

PROPAGATION: Final = FlagSet(
    {"MS_UNBINDABLE": 0x20000, "MS_PRIVATE": 0x40000, "MS_SLAVE": 0x80000, "MS_SHARED": 0x100000}
)

STATFS: Final = FlagSet(
    {
        "ST_RDONLY": 0x1,
        "ST_NOSUID": 0x2,
        "ST_NODEV": 0x4,
        "ST_NOEXEC": 0x8,
        "ST_SYNCHRONOUS": 0x10,
        "ST_VALID": 0x20,
        "ST_MANDLOCK": 0x40,
        "ST_NOATIME": 0x400,
        "ST_NODIRATIME": 0x800,
        "ST_RELATIME": 0x1000,
        "ST_NOSYMFOLLOW": 0x2000,
    }
)

FILESYSTEMS: Final = ValueSet(
    {
        "ADFS_SUPER_MAGIC": 0xADF5,
        "AFS_SUPER_MAGIC": 0x5346414F,
        "AUTOFS_SUPER_MAGIC": 0x187,
        "BINFMTFS_MAGIC": 0x42494E4D,
        "BPF_FS_MAGIC": 0xCAFE4A11,
        "BTRFS_SUPER_MAGIC": 0x9123683E,
        "CEPH_SUPER_MAGIC": 0xC36400,
        "CGROUP2_SUPER_MAGIC": 0x63677270,
        "CGROUP_SUPER_MAGIC": 0x27E0EB,
        "CIFS_SUPER_MAGIC": 0xFF534D42,
        "CONFIGFS_MAGIC": 0x62656570,
        "CRAMFS_MAGIC": 0x28CD3D45,
        "DEBUGFS_MAGIC": 0x64626720,
        "DEVPTS_SUPER_MAGIC": 0x1CD1,
        "ECRYPTFS_SUPER_MAGIC": 0xF15F,
        "EFIVARFS_MAGIC": 0xDE5E81E4,
        "EROFS_SUPER_MAGIC_V1": 0xE0F5E1E2,
        "EXFAT_SUPER_MAGIC": 0x2011BAB0,
        "EXT4_SUPER_MAGIC": 0xEF53,
        "F2FS_SUPER_MAGIC": 0xF2F52010,
        "FUSE_SUPER_MAGIC": 0x65735546,
        "HOSTFS_SUPER_MAGIC": 0xC0FFEE,
        "HUGETLBFS_MAGIC": 0x958458F6,
        "ISOFS_SUPER_MAGIC": 0x9660,
        "JFFS2_SUPER_MAGIC": 0x72B6,
        "MSDOS_SUPER_MAGIC": 0x4D44,
        "NCP_SUPER_MAGIC": 0x564C,
        "NFS_SUPER_MAGIC": 0x6969,
        "NILFS_SUPER_MAGIC": 0x3434,
        "NSFS_MAGIC": 0x6E736673,
        "OCFS2_SUPER_MAGIC": 0x7461636F,
        "OVERLAYFS_SUPER_MAGIC": 0x794C7630,
        "PIPEFS_MAGIC": 0x50495045,
        "PROC_SUPER_MAGIC": 0x9FA0,
        "PSTOREFS_MAGIC": 0x6165676C,
        "RAMFS_MAGIC": 0x858458F6,
        "REISERFS_SUPER_MAGIC": 0x52654973,
        "SECURITYFS_MAGIC": 0x73636673,
        "SELINUX_MAGIC": 0xF97CFF8C,
        "SMB2_SUPER_MAGIC": 0xFE534D42,
        "SOCKFS_MAGIC": 0x534F434B,
        "SQUASHFS_MAGIC": 0x73717368,
        "SYSFS_MAGIC": 0x62656572,
        "TMPFS_MAGIC": 0x1021994,
        "TRACEFS_MAGIC": 0x74726163,
        "UDF_SUPER_MAGIC": 0x15013346,
        "V9FS_MAGIC": 0x1021997,
        "XFS_SUPER_MAGIC": 0x58465342,
        "ZONEFS_MAGIC": 0x5A4F4653,
    }
)

SWAP: Final = FlagSet(
    {"SWAP_FLAG_PREFER": 0x8000, "SWAP_FLAG_DISCARD": 0x10000}, mask=0x7FFF, field={}
)

STATMOUNT: Final = FlagSet(
    {
        "STATMOUNT_SB_BASIC": 0x1,
        "STATMOUNT_MNT_BASIC": 0x2,
        "STATMOUNT_PROPAGATE_FROM": 0x4,
        "STATMOUNT_MNT_ROOT": 0x8,
        "STATMOUNT_MNT_POINT": 0x10,
        "STATMOUNT_FS_TYPE": 0x20,
        "STATMOUNT_MNT_NS_ID": 0x40,
        "STATMOUNT_MNT_OPTS": 0x80,
        "STATMOUNT_FS_SUBTYPE": 0x100,
        "STATMOUNT_SB_SOURCE": 0x200,
        "STATMOUNT_OPT_ARRAY": 0x400,
        "STATMOUNT_OPT_SEC_ARRAY": 0x800,
        "STATMOUNT_SUPPORTED_MASK": 0x1000,
        "STATMOUNT_MNT_UIDMAP": 0x2000,
        "STATMOUNT_MNT_GIDMAP": 0x4000,
    }
)
