"""Calls on files by name, and those that ask a file by descriptor what they ask one by name.

Rules: one line a call, in the order of what they do; argument names and their order are
the kernel's (its SYSCALL_DEFINE); a published name is never changed.  classes are
strace's; level is that of events.LEVELS.  A path says from which dirfd (`at`), what is
done to the file (`op`), whether a final symlink is followed, and what an empty path means:
`empty="flag"` where AT_EMPTY_PATH makes it the dirfd, `empty="null"` where it is so anyhow.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from tracerd.core.decode.names import files as names
from tracerd.core.decode.names import mounts
from tracerd.core.decode.names.descriptors import MEMFD, SECRET
from tracerd.core.syscalls import commands, records
from tracerd.core.syscalls.model import Syscall
from tracerd.core.syscalls.vocabulary import (
    bytes_in,
    bytes_out,
    dev,
    dirfd,
    enum,
    fd,
    flags,
    gid,
    int_,
    long_,
    mode,
    path,
    sc,
    size,
    string,
    string_out,
    uid,
    uint,
)

by_path = partial(sc, classes="file", level="path")
at_dir = partial(sc, classes="file desc", level="path")
by_fd = partial(sc, classes="desc", level="fd")

old_dir = dirfd("olddfd")
new_dir = dirfd("newdfd")
open_flags = flags("flags", names.OPEN)
at_flags = flags("flags", names.AT)
at_flag = flags("flag", names.AT)
xattr_at = flags("at_flags", names.AT)
xattr_flags = flags("flags", names.XATTR)
access = flags("mode", names.ACCESS)
rename_flags = flags("flags", names.RENAME)
tree_flags = flags("flags", names.OPEN_TREE)
usize, bufsiz = size("usize"), int_("bufsiz")
user, group = uid("user"), gid("group")
name = string("name")
value_in = bytes_in("value", "size")
value_out = bytes_out("value", "size")
names_out = bytes_out("list", "size")

# Paths as rows use them: relative to the cwd, or to the dirfd of the kernel's usual name.
opened = path("filename", "open")
opened_at = path("filename", "open", at="dfd")
attr = path("filename", "attr")
attr_at = path("filename", "attr", at="dfd")
attr_link = path("filename", "attr", nofollow=True)
attr_at_empty = path("filename", "attr", at="dfd", empty="flag")
attr_at_null = path("filename", "attr", at="dfd", empty="null")
asked = path("filename", "stat")
asked_link = path("filename", "stat", nofollow=True)
asked_at = path("filename", "stat", at="dfd")
asked_at_empty = path("filename", "stat", at="dfd", empty="flag")
made = path("pathname", "create", nofollow=True)
made_at = path("pathname", "create", at="dfd", nofollow=True)
node = path("filename", "create", nofollow=True)
node_at = path("filename", "create", at="dfd", nofollow=True)
gone = path("pathname", "delete", nofollow=True)
gone_at = path("pathname", "delete", at="dfd", nofollow=True)
old = path("oldname", "rename-from", nofollow=True)
new = path("newname", "rename-to", nofollow=True)
old_at = path("oldname", "rename-from", at="olddfd", nofollow=True)
new_at = path("newname", "rename-to", at="newdfd", nofollow=True)
target = path("oldname", "link", nofollow=True)
target_at = path("oldname", "link", at="olddfd", nofollow=True, empty="flag")
link = path("newname", "link", nofollow=True)
link_at = path("newname", "link", at="newdfd", nofollow=True)
changed = path("pathname", "attr")
changed_link = path("pathname", "attr", nofollow=True)
changed_at = path("pathname", "attr", at="dfd", empty="flag")
told = path("pathname", "stat")
told_link = path("pathname", "stat", nofollow=True)
told_at = path("pathname", "stat", at="dfd", empty="flag")
read_link = path("path", "readlink", nofollow=True)
read_link_at = path("pathname", "readlink", at="dfd", nofollow=True, empty="null")
mounted_at = path("filename", "mount", at="dfd", empty="flag")

# fmt: off
FILES: Final[tuple[Syscall, ...]] = (
    # Opening
    at_dir(2, "open", opened, open_flags, records.open_mode, ret="fd"),
    at_dir(257, "openat", dirfd, opened_at, open_flags, records.open_mode, ret="fd"),
    at_dir(437, "openat2", dirfd, opened_at, records.open_how, usize, ret="fd"),
    at_dir(85, "creat", path("pathname", "open"), mode, ret="fd"),
    at_dir(303, "name_to_handle_at", dirfd, path("name", "stat", at="dfd", empty="flag"),
           records.handle_out, records.int_out("mnt_id"), flags("flag", names.AT_HANDLE)),
    sc(304, "open_by_handle_at", dirfd("mountdirfd"), records.handle_in, open_flags,
       classes="desc", level="path", ret="fd"),
    by_fd(319, "memfd_create", string("uname"), flags("flags", MEMFD), ret="fd"),
    by_fd(447, "memfd_secret", flags("flags", SECRET), ret="fd"),
    # Making, deleting, renaming, linking
    by_path(83, "mkdir", made, mode),
    at_dir(258, "mkdirat", dirfd, made_at, mode),
    by_path(133, "mknod", node, mode, dev),
    at_dir(259, "mknodat", dirfd, node_at, mode, dev),
    by_path(84, "rmdir", gone),
    by_path(87, "unlink", gone),
    at_dir(263, "unlinkat", dirfd, gone_at, flags("flag", names.AT_REMOVE)),
    by_path(82, "rename", old, new),
    at_dir(264, "renameat", old_dir, old_at, new_dir, new_at),
    at_dir(316, "renameat2", old_dir, old_at, new_dir, new_at, rename_flags),
    by_path(86, "link", target, link),
    at_dir(265, "linkat", old_dir, target_at, new_dir, link_at, at_flags),
    by_path(88, "symlink", string("oldname", 4096), link),
    at_dir(266, "symlinkat", string("oldname", 4096), new_dir, link_at),
    by_path(76, "truncate", path("path", "truncate"), long_("length")),
    # Permissions, owners, times
    by_path(90, "chmod", attr, mode),
    by_fd(91, "fchmod", fd(op="attr"), mode),
    at_dir(268, "fchmodat", dirfd, attr_at, mode),
    at_dir(452, "fchmodat2", dirfd, attr_at_empty, mode, at_flags),
    by_path(92, "chown", attr, user, group),
    by_path(94, "lchown", attr_link, user, group),
    by_fd(93, "fchown", fd(op="attr"), user, group),
    at_dir(260, "fchownat", dirfd, attr_at_empty, user, group, at_flag),
    by_path(132, "utime", attr, records.utimbuf),
    by_path(235, "utimes", attr, records.timevals),
    at_dir(261, "futimesat", dirfd, attr_at_null, records.timevals),
    at_dir(280, "utimensat", dirfd, attr_at_null, records.file_times, at_flags),
    at_dir(469, "file_setattr", dirfd, attr_at_empty, records.file_attr_in, usize, xattr_at),
    # Extended attributes
    by_path(188, "setxattr", changed, name, value_in, size, xattr_flags),
    by_path(189, "lsetxattr", changed_link, name, value_in, size, xattr_flags),
    by_fd(190, "fsetxattr", fd(op="attr"), name, value_in, size, xattr_flags),
    at_dir(463, "setxattrat", dirfd, changed_at, xattr_at, name, records.xattr_args, usize),
    by_path(191, "getxattr", told, name, value_out, size, ret="size"),
    by_path(192, "lgetxattr", told_link, name, value_out, size, ret="size"),
    by_fd(193, "fgetxattr", fd(op="stat"), name, value_out, size, ret="size"),
    at_dir(464, "getxattrat", dirfd, told_at, xattr_at, name, records.xattr_args, usize,
           ret="size"),
    by_path(194, "listxattr", told, names_out, size, ret="size"),
    by_path(195, "llistxattr", told_link, names_out, size, ret="size"),
    by_fd(196, "flistxattr", fd(op="stat"), names_out, size, ret="size"),
    at_dir(465, "listxattrat", dirfd, told_at, xattr_at, names_out, size, ret="size"),
    by_path(197, "removexattr", changed, name),
    by_path(198, "lremovexattr", changed_link, name),
    by_fd(199, "fremovexattr", fd(op="attr"), name),
    at_dir(466, "removexattrat", dirfd, changed_at, xattr_at, name),
    # Asking
    by_path(4, "stat", asked, records.stat_out),
    by_path(6, "lstat", asked_link, records.stat_out),
    by_fd(5, "fstat", fd(op="stat"), records.stat_out),
    at_dir(262, "newfstatat", dirfd, asked_at_empty, records.stat_out, at_flag),
    at_dir(332, "statx", dirfd, asked_at_empty, flags("flags", names.AT_STATX),
           flags("mask", names.STATX_MASK), records.statx_out),
    by_path(21, "access", asked, access),
    at_dir(269, "faccessat", dirfd, asked_at, access),
    at_dir(439, "faccessat2", dirfd, asked_at_empty, access, flags("flags", names.AT_ACCESS)),
    by_path(89, "readlink", read_link, bytes_out(), bufsiz, ret="size"),
    at_dir(267, "readlinkat", dirfd, read_link_at, bytes_out(), bufsiz, ret="size"),
    by_path(137, "statfs", path("pathname", "stat"), records.statfs_out),
    by_fd(138, "fstatfs", fd(op="stat"), records.statfs_out),
    at_dir(468, "file_getattr", dirfd, asked_at_empty, records.file_attr_out, usize, xattr_at),
    # Directories
    sc(79, "getcwd", string_out("buf", 4096)(op="stat"), size, classes="file", level="fd"),
    by_path(80, "chdir", path("filename", "chdir")),
    sc(81, "fchdir", fd(op="chdir"), classes="desc", level="path"),
    by_path(161, "chroot", path("filename", "chdir")),
    by_path(155, "pivot_root", path("new_root", "mount"), path("put_old", "mount")),
    by_fd(78, "getdents", fd(op="list"), records.dirents_old, uint("count"), ret="size"),
    by_fd(217, "getdents64", fd(op="list"), records.dirents64, uint("count"), ret="size"),
    # Mounting
    by_path(165, "mount", path("dev_name", "mount"), path("dir_name", "mount"), string("type"),
            flags("flags", mounts.MOUNT, 64), string("data")),
    by_path(166, "umount2", path("name", "mount"), flags("flags", mounts.UMOUNT)),
    at_dir(428, "open_tree", dirfd, mounted_at, tree_flags, ret="fd"),
    at_dir(467, "open_tree_attr", dirfd, mounted_at, tree_flags, records.mount_attr, usize,
           ret="fd"),
    at_dir(429, "move_mount",
           dirfd("from_dfd"), path("from_pathname", "mount", at="from_dfd", empty="null"),
           dirfd("to_dfd"), path("to_pathname", "mount", at="to_dfd", empty="null"),
           flags("flags", mounts.MOVE_MOUNT)),
    at_dir(433, "fspick", dirfd, path("path", "mount", at="dfd", empty="null"),
           flags("flags", mounts.FSPICK), ret="fd"),
    sc(430, "fsopen", string("_fs_name"), flags("flags", mounts.FSOPEN),
       classes="desc", level="path", ret="fd"),
    at_dir(431, "fsconfig", fd, enum("cmd", mounts.FSCONFIG), string("_key"),
           commands.fsconfig_value, int_("aux")),
    sc(432, "fsmount", fd("fs_fd"), flags("flags", mounts.FSMOUNT),
       flags("attr_flags", mounts.MOUNT_ATTR), classes="desc", level="path", ret="fd"),
    at_dir(442, "mount_setattr", dirfd, path("path", "mount", at="dfd", empty="flag"),
           flags("flags", names.AT_RECURSIVE), records.mount_attr, usize),
    by_path(167, "swapon", path("specialfile", "mount"), flags("swap_flags", mounts.SWAP)),
    by_path(168, "swapoff", path("specialfile", "mount")),
    by_path(179, "quotactl", records.quota_command, path("special", "mount"), uint("id"),
            records.quota_argument),
    by_fd(443, "quotactl_fd", fd(op="mount"), records.quota_command, uint("id"),
          records.quota_argument),
    by_path(163, "acct", path("name", "write")),
    by_path(134, "uselib", path("library", "exec")),
    sc(457, "statmount", records.mnt_id_req, records.statmount_out, size("bufsize"), uint("flags")),
    sc(458, "listmount", records.mnt_id_req, records.ids_out("mnt_ids"), size("nr_mnt_ids"),
       uint("flags"), ret="size"),
    sc(470, "listns", records.ns_id_req, records.ids_out("ns_ids"), size("nr_ns_ids"),
       uint("flags"), ret="size"),
)
# fmt: on
