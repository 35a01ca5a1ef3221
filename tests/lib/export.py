"""What an administrator changes about an export, on a simulator of a case's own."""
import os
import ontapfs_test as t


def rule(sim, **fields):
    """Changes rule 1 of the export policy `default`, which all volumes have."""
    found = t.rest("GET", "/protocols/nfs/export-policies?name=default&fields=id", sim=sim.dir)[1]["records"][0]
    t.rest("PATCH", "/protocols/nfs/export-policies/%d/rules/1" % found["id"], fields, sim=sim.dir)


def service(sim, **fields):
    """Changes the SVM's NFS service."""
    found = t.rest("GET", "/protocols/nfs/services", sim=sim.dir)[1]["records"][0]
    t.rest("PATCH", "/protocols/nfs/services/" + found["svm"]["uuid"], fields, sim=sim.dir)


def junction(sim, path, volume="project1"):
    """Mounts the volume there, or unmounts it: ''."""
    t.rest_job("PATCH", "/storage/volumes/" + t.volume_uuid(volume, sim.dir), {"nas": {"path": path}}, sim.dir)


def everything(directory, held):
    """{name: errno's name} of one of each operation, in a directory and on an open file."""
    f, new = directory + "/f", directory + "/new"

    def make():
        t.write(new, "x")
        os.unlink(new)

    def make_directory():
        os.mkdir(new)
        os.rmdir(new)
    ops = {
        "stat": lambda: os.stat(f), "readdir": lambda: os.listdir(directory), "statfs": lambda: os.statvfs(directory),
        "open": lambda: os.close(os.open(f, os.O_RDONLY)), "pread": lambda: os.pread(held, 100, 0),
        "open to write": lambda: os.close(os.open(f, os.O_WRONLY)), "create": make, "mkdir": make_directory,
        "pwrite": lambda: os.pwrite(held, b"x", 0), "chmod": lambda: os.chmod(f, os.stat(f).st_mode ^ 0o1),
        "rename": lambda: os.rename(f, f), "truncate": lambda: os.ftruncate(held, 100000),
    }
    return {name: t.name_of(t.errno_of(fn)) for name, fn in ops.items()}


READS = ("stat", "readdir", "statfs", "open", "pread")
