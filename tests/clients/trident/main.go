// Drives the simulator with Trident's own ONTAP REST client, in the order in which
// its drivers ontap-nas and ontap-nas-flexgroup call it.
//
//	trident BACKEND.JSON                              both drivers, with the SVM account of the backend
//	trident BACKEND.JSON --bootstrap ADMIN-PASSWORD   what comes first, with the cluster account
//
// Prints a line for each step and "trident DRIVER: N ok, N failed".
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	drivers "github.com/netapp/trident/storage_drivers"
	"github.com/netapp/trident/storage_drivers/ontap/api"
)

const size = 1 << 30

type backend struct {
	ManagementLIF        string `json:"managementLIF"`
	SVM                  string `json:"svm"`
	Username             string `json:"username"`
	Password             string `json:"password"`
	TrustedCACertificate string `json:"trustedCACertificate"`
	Ontapfs              struct {
		RestPort int `json:"restPort"`
	} `json:"ontapfs"`
}

var ctx = context.Background()

type suite struct {
	name       string
	ok, failed int
	rest       *api.RestClient
	ontap      api.OntapAPI
}

func (s *suite) step(name string, err error) bool {
	if err != nil {
		s.failed++
		fmt.Printf("not ok - %s: %s: %v\n", s.name, name, err)
		return false
	}
	s.ok++
	fmt.Printf("ok - %s: %s\n", s.name, name)
	return true
}

// equal is a step, too: what was read back is what was meant.
func (s *suite) equal(name string, got, want any) {
	var err error
	if fmt.Sprint(got) != fmt.Sprint(want) {
		err = fmt.Errorf("got %v, want %v", got, want)
	}
	s.step(name, err)
}

// refused is a step where an error is what shall come.
func (s *suite) refused(name string, err error, word string) {
	switch {
	case err == nil:
		s.step(name, fmt.Errorf("was done"))
	case !strings.Contains(err.Error(), word):
		s.step(name, fmt.Errorf("%q is not in: %w", word, err))
	default:
		s.step(name, nil)
	}
}

// style is what the two drivers do differently.
type style struct {
	create       func(api.Volume) error
	exists       func(string) (bool, error)
	info         func(string) (*api.Volume, error)
	mount        func(name, path string) error
	comment      func(name, text string) error
	setSize      func(name, size string) error
	size         func(name string) (uint64, error)
	used         func(name string) (int, error)
	policy       func(name, policy string) error
	mode         func(name, mode string) error
	snapdir      func(name string, on bool) error
	snapshot     func(snap, vol string) error
	snapshots    func(vol string) (api.Snapshots, error)
	restore      func(snap, vol string) error
	dropSnapshot func(snap, vol string) error
	split        func(clone string) error
	list         func(prefix string) (api.Volumes, error)
	destroy      func(name string, skipQueue bool) error
}

func flexvol(o api.OntapAPI) style {
	return style{
		create:       func(v api.Volume) error { return o.VolumeCreate(ctx, v) },
		exists:       func(n string) (bool, error) { return o.VolumeExists(ctx, n) },
		info:         func(n string) (*api.Volume, error) { return o.VolumeInfo(ctx, n) },
		mount:        func(n, p string) error { return o.VolumeMount(ctx, n, p) },
		comment:      func(n, t string) error { return o.VolumeSetComment(ctx, n, n, t) },
		setSize:      func(n, b string) error { return o.VolumeSetSize(ctx, n, b) },
		size:         func(n string) (uint64, error) { return o.VolumeSize(ctx, n) },
		used:         func(n string) (int, error) { return o.VolumeUsedSize(ctx, n) },
		policy:       func(n, p string) error { return o.VolumeModifyExportPolicy(ctx, n, p) },
		mode:         func(n, m string) error { return o.VolumeModifyUnixPermissions(ctx, n, n, m) },
		snapdir:      func(n string, on bool) error { return o.VolumeModifySnapshotDirectoryAccess(ctx, n, on) },
		snapshot:     func(s, v string) error { return o.VolumeSnapshotCreate(ctx, s, v) },
		snapshots:    func(v string) (api.Snapshots, error) { return o.VolumeSnapshotList(ctx, v) },
		restore:      func(s, v string) error { return o.SnapshotRestoreVolume(ctx, s, v) },
		dropSnapshot: func(s, v string) error { return o.VolumeSnapshotDelete(ctx, s, v) },
		split:        func(c string) error { return o.VolumeCloneSplitStart(ctx, c) },
		list:         func(p string) (api.Volumes, error) { return o.VolumeListByPrefix(ctx, p) },
		destroy:      func(n string, skip bool) error { return o.VolumeDestroy(ctx, n, true, skip) },
	}
}

func flexgroup(o api.OntapAPI) style {
	return style{
		create:       func(v api.Volume) error { return o.FlexgroupCreate(ctx, v) },
		exists:       func(n string) (bool, error) { return o.FlexgroupExists(ctx, n) },
		info:         func(n string) (*api.Volume, error) { return o.FlexgroupInfo(ctx, n) },
		mount:        func(n, p string) error { return o.FlexgroupMount(ctx, n, p) },
		comment:      func(n, t string) error { return o.FlexgroupSetComment(ctx, n, n, t) },
		setSize:      func(n, b string) error { return o.FlexgroupSetSize(ctx, n, b) },
		size:         func(n string) (uint64, error) { return o.FlexgroupSize(ctx, n) },
		used:         func(n string) (int, error) { return o.FlexgroupUsedSize(ctx, n) },
		policy:       func(n, p string) error { return o.FlexgroupModifyExportPolicy(ctx, n, p) },
		mode:         func(n, m string) error { return o.FlexgroupModifyUnixPermissions(ctx, n, n, m) },
		snapdir:      func(n string, on bool) error { return o.FlexgroupModifySnapshotDirectoryAccess(ctx, n, on) },
		snapshot:     func(s, v string) error { return o.FlexgroupSnapshotCreate(ctx, s, v) },
		snapshots:    func(v string) (api.Snapshots, error) { return o.FlexgroupSnapshotList(ctx, v) },
		restore:      func(s, v string) error { return o.SnapshotRestoreFlexgroup(ctx, s, v) },
		dropSnapshot: func(s, v string) error { return o.FlexgroupSnapshotDelete(ctx, s, v) },
		split:        func(c string) error { return o.FlexgroupCloneSplitStart(ctx, c) },
		list:         func(p string) (api.Volumes, error) { return o.FlexgroupListByPrefix(ctx, p) },
		destroy:      func(n string, skip bool) error { return o.FlexgroupDestroy(ctx, n, true, skip) },
	}
}

func (s *suite) bootstrap() []string {
	s.step("ontap is new enough", s.ontap.ValidateAPIVersion(ctx))
	_, err := s.ontap.NodeListSerialNumbers(ctx)
	if s.rest.ClientConfig().Username == "vsadmin" {
		// The driver goes on without serial numbers.
		s.refused("nodes are not an SVM account's", err, "403")
	} else {
		s.step("serial numbers", err)
		attrs, err := s.ontap.GetSVMAggregateAttributes(ctx)
		s.step("disk types", err)
		s.equal("a disk type of each aggregate", len(attrs), 2)
		space, err := s.ontap.GetSVMAggregateSpace(ctx, "aggr1")
		if s.step("room of an aggregate", err) {
			s.equal("one record of it", len(space), 1)
		}
	}
	lifs, err := s.ontap.NetInterfaceGetDataLIFs(ctx, "nfs")
	s.step("data LIFs", err)
	for _, l := range lifs {
		if net.ParseIP(l) == nil {
			s.step("data LIF", fmt.Errorf("%q is no address", l))
		}
	}
	aggrs, err := s.ontap.GetSVMAggregateNames(ctx)
	s.step("aggregates", err)
	s.equal("two aggregates", len(aggrs), 2)
	state, err := s.ontap.GetSVMState(ctx)
	s.step("SVM state", err)
	s.equal("the SVM runs", state, "running")
	peers, err := s.ontap.GetSVMPeers(ctx)
	s.step("SVM peers", err)
	s.equal("no peers", len(peers), 0)
	s.step("telemetry", s.rest.EmsAutosupportLog(ctx, "26.06.0", false, "heartbeat", "host", "{}", 1, "trident", 5))
	return aggrs
}

func (s *suite) exportPolicy(name string) {
	found, err := s.ontap.ExportPolicyExists(ctx, name)
	s.step("look for the export policy", err)
	s.equal("it is not there yet", found, false)
	s.step("create the export policy", s.ontap.ExportPolicyCreate(ctx, name))
	s.step("create it again", s.ontap.ExportPolicyCreate(ctx, name))
	s.step("rules for nodes", s.ontap.ExportRuleCreate(ctx, name, "127.0.0.1,127.0.0.2", "nfs"))
	s.refused("a rule again", s.ontap.ExportRuleCreate(ctx, name, "127.0.0.1", "nfs"), "")
	rules, err := s.ontap.ExportRuleList(ctx, name)
	if !s.step("list rules", err) {
		return
	}
	s.equal("two rules", len(rules), 2)
	for index, client := range rules {
		if client == "127.0.0.2" {
			s.step("remove a node's rule", s.ontap.ExportRuleDestroy(ctx, name, index))
		}
	}
}

// octal is how Trident shows the mode that ONTAP reports as the number n: it takes the
// digits, which are octal already, for a decimal number.
func octal(n int64) string { return strconv.FormatInt(n, 8) }

// until waits for what a job of another step brings about.
func until(f func() bool) bool {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if f() {
			return true
		}
	}
	return false
}

func (s *suite) volumes(y style, aggrs []string, prefix string) {
	vol, clone, policy := prefix+"_pvc_1", prefix+"_pvc_2", prefix+"_policy"
	bytes := func(n int64) string { return strconv.FormatInt(n, 10) }
	volSize := int64(size)
	if len(aggrs) > 1 {
		volSize *= 4 // 200 MiB for each of eight constituents
	}

	s.exportPolicy(policy)

	there, err := y.exists(vol)
	s.step("look for a volume", err)
	s.equal("it is not there yet", there, false)
	off := false
	want := api.Volume{
		Name: vol, Aggregates: aggrs, Size: bytes(volSize), SpaceReserve: "none", SnapshotPolicy: "none",
		UnixPermissions: "0711", ExportPolicy: policy, SecurityStyle: "unix", SnapshotReserve: 10,
		Comment: `{"provisioning":{"app":"x"}}`, Encrypt: &off,
	}
	if !s.step("create", y.create(want)) {
		return
	}
	s.step("hide the snapshot directory", y.snapdir(vol, false))
	s.step("mount", y.mount(vol, "/"+vol))
	v, err := y.info(vol)
	if s.step("read it", err) {
		s.equal("junction", v.JunctionPath, "/"+vol)
		s.equal("export policy", v.ExportPolicy, policy)
		s.equal("mode", v.UnixPermissions, octal(711))
		s.equal("snapshot policy", v.SnapshotPolicy, "none")
		s.equal("snapshot reserve", v.SnapshotReserve, 10)
		s.equal("comment", v.Comment, want.Comment)
		s.equal("guarantee", v.SpaceReserve, "none")
		s.equal("access type", v.AccessType, "rw")
		s.equal("snapshot directory", *v.SnapshotDir, false)
		s.equal("size", v.Size, bytes(volSize))
	}
	there, err = y.exists(vol)
	s.step("look again", err)
	s.equal("it is there", there, true)
	s.refused("create it again", y.create(want), "exist")
	listed, err := y.list(prefix + "_")
	s.step("list by prefix", err)
	s.equal("one volume", len(listed), 1)

	s.step("take a snapshot", y.snapshot("snap-1", vol))
	s.step("and another", y.snapshot("snap-2", vol))
	s.refused("one of that name again", y.snapshot("snap-1", vol), "exist")
	snaps, err := y.snapshots(vol)
	s.step("list snapshots", err)
	s.equal("two snapshots", len(snaps), 2)
	for _, snap := range snaps {
		_, err = time.Parse(time.RFC3339, snap.CreateTime)
		s.step("time of "+snap.Name, err)
	}
	if len(aggrs) == 1 {
		_, err = s.ontap.VolumeSnapshotInfo(ctx, "snap-1", vol)
		s.step("read a snapshot", err)
		_, err = s.ontap.VolumeSnapshotInfo(ctx, "snap-9", vol)
		s.refused("read one that is not there", err, "")
	}
	used, err := y.used(vol)
	s.step("used size", err)
	s.equal("which is not more than the size", used < int(volSize), true)

	s.step("clone", s.ontap.VolumeCloneCreate(ctx, clone, vol, "snap-1", false))
	if len(aggrs) == 1 {
		_, err = s.ontap.VolumeWaitForStates(ctx, clone, []string{"online"}, []string{"error"}, time.Minute)
		s.step("wait until it is online", err)
	}
	s.step("label the clone", y.comment(clone, `{"clone":true}`))
	s.step("mount the clone", y.mount(clone, "/"+clone))
	s.step("its export policy", y.policy(clone, policy))
	children, err := s.ontap.VolumeListBySnapshotParent(ctx, "snap-1", vol)
	s.step("clones of the snapshot", err)
	s.equal("its clone", children, api.VolumeNameList{clone})
	s.refused("delete the snapshot of a clone", y.dropSnapshot("snap-1", vol), "busy")
	s.step("split the clone", y.split(clone))
	s.equal("it was split", until(func() bool {
		names, err := s.ontap.VolumeListBySnapshotParent(ctx, "snap-1", vol)
		return api.IsNotFoundError(err) || err == nil && len(names) == 0
	}), true)

	s.step("restore", y.restore("snap-1", vol))
	snaps, err = y.snapshots(vol)
	s.step("list snapshots after it", err)
	s.equal("the newer one is gone", len(snaps), 1)
	s.step("delete the snapshot", y.dropSnapshot("snap-1", vol))

	s.step("grow", y.setSize(vol, bytes(volSize*2)))
	got, err := y.size(vol)
	s.step("size", err)
	s.equal("the new size", got, volSize*2)
	s.step("shrink", y.setSize(vol, bytes(volSize)))
	s.refused("too small", y.setSize(vol, "1048576"), "")

	// Import: another name, label and mode.
	imported := prefix + "_imported"
	if len(aggrs) == 1 {
		s.step("rename", s.ontap.VolumeRename(ctx, vol, imported))
		vol = imported
	}
	s.step("label", y.comment(vol, `{"imported":true}`))
	s.step("change the mode", y.mode(vol, "0755"))
	s.step("and the export policy", y.policy(vol, "default"))
	v, err = y.info(vol)
	if s.step("read it after the import", err) {
		s.equal("mode", v.UnixPermissions, octal(755))
		s.equal("junction", v.JunctionPath, "/"+prefix+"_pvc_1")
		s.equal("export policy", v.ExportPolicy, "default")
	}

	s.refused("delete a policy in use", s.ontap.ExportPolicyDestroy(ctx, policy), "")
	s.step("no mirrors of the clone", s.ontap.SnapmirrorDeleteViaDestination(ctx, clone, s.ontap.SVMName()))
	s.step("delete the clone", y.destroy(clone, true))
	s.step("no mirrors of the volume", s.ontap.SnapmirrorDeleteViaDestination(ctx, vol, s.ontap.SVMName()))
	s.step("delete the volume", y.destroy(vol, false))
	there, err = y.exists(vol)
	s.step("look for it", err)
	s.equal("it is gone", there, false)
	queued, err := s.ontap.VolumeRecoveryQueueGetName(ctx, vol)
	if s.step("its name in the recovery queue", err) {
		s.step("purge", s.ontap.VolumeRecoveryQueuePurge(ctx, queued))
	}
	if len(aggrs) == 1 {
		s.refused("delete it again", y.destroy(vol, true), "could not find")
	} else {
		s.step("delete it again", y.destroy(vol, true))
	}
	s.step("delete the policy", s.ontap.ExportPolicyDestroy(ctx, policy))
}

func connect(b backend) (*api.RestClient, api.OntapAPI, error) {
	lif := net.JoinHostPort(b.ManagementLIF, strconv.Itoa(b.Ontapfs.RestPort))
	rest, err := api.NewRestClient(ctx, api.ClientConfig{
		ManagementLIF: lif, Username: b.Username, Password: b.Password, TrustedCACertificate: b.TrustedCACertificate,
	}, b.SVM, "ontap-nas")
	if err != nil {
		return nil, nil, err
	}
	if _, err = rest.SystemGetOntapVersion(ctx, false); err != nil {
		return nil, nil, err
	}
	config := &drivers.OntapStorageDriverConfig{}
	config.SVM = b.SVM
	if err = api.EnsureSVMWithRest(ctx, config, rest); err != nil {
		return nil, nil, err
	}
	ontap, err := api.NewOntapAPIREST(rest, "ontap-nas")
	return rest, ontap, err
}

// run goes through all steps of a driver; without a style only through its bootstrap.
func run(driver string, b backend, y func(api.OntapAPI) style, aggregates int, prefix string) bool {
	s := &suite{name: driver}
	var err error
	s.rest, s.ontap, err = connect(b)
	if s.step("connect", err) {
		aggrs := s.bootstrap()
		if y != nil && len(aggrs) >= aggregates {
			s.volumes(y(s.ontap), aggrs[:aggregates], prefix)
		}
	}
	fmt.Printf("trident %s: %d ok, %d failed\n", driver, s.ok, s.failed)
	return s.failed == 0
}

func main() {
	var b backend
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	good := true
	if len(os.Args) == 4 {
		b.Username, b.Password = "admin", os.Args[3]
		good = run("bootstrap by a cluster account", b, nil, 0, "")
	} else {
		good = run("ontap-nas", b, flexvol, 1, "tri")
		good = run("ontap-nas-flexgroup", b, flexgroup, 2, "trig") && good
	}
	if !good {
		os.Exit(1)
	}
}
