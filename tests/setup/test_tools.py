"""System tools that are missing: installed where root can, named where not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.setup import tools
from bench.setup.report import SetupError

ROOT = Path(__file__).resolve().parents[2]
DPKG = """#!/bin/sh
echo "dpkg $*" >>{folder}/calls
"""
APT_GET = """#!/bin/sh
echo "$DEBIAN_FRONTEND: $*" >>{folder}/calls
case "$*" in
*update) touch {folder}/updated ;;
*) test -e {folder}/updated || {{ echo "E: Unable to locate package" && exit 100; }}
   {effect} ;;
esac
"""


def apt_get(folder: Path, effect: str) -> None:
    """Puts an apt-get into `folder` that needs an update first and then has `effect`; it notes how it is called.

    A dpkg beside it does nothing but note that too.
    """
    folder.mkdir(exist_ok=True)
    write_script(folder / "apt-get", APT_GET.format(folder=folder, effect=effect))
    write_script(folder / "dpkg", DPKG.format(folder=folder))


def write_script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def provide_nft(without_nft: list[str], apt: Path, system: str, asker: str = "") -> subprocess.CompletedProcess[str]:
    """Asks for nft on a machine that has none, of that system (`ID` of os-release), with the apt-get of folder `apt`.

    The question is asked as root, unless `asker` is a command that makes another user of it.
    """
    release = apt / "os-release"
    release.write_text(f"ID={system}\nID_LIKE={'debian' if system == 'ubuntu' else ''}\n")
    ask = "from bench.setup import tools; tools.provide([tools.NFT])"
    script = f'mount --bind {release} "$(readlink -f /etc/os-release)" && PATH={apt}:$PATH exec {asker} "$@"'
    command = [*without_nft, "sh", "-c", script, "sh", sys.executable, "-c", ask]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.vpn
def test_nothing_missing_is_nothing_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    tools.provide([tools.NFT, tools.VENV], [tools.CHARON])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("system", ["debian", "ubuntu"])
def test_root_installs_it_after_an_update(tmp_path: Path, without_nft: list[str], system: str) -> None:
    apt = tmp_path / "apt"
    apt_get(apt, f"cp /bin/true {apt}/nft")
    done = provide_nft(without_nft, apt, system)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "oxobench: nft missing: installing nftables with apt-get ...\n"
    install, configure, update, again = (apt / "calls").read_text().splitlines()
    assert install == again
    assert configure == "dpkg --configure -a"
    assert install.startswith("noninteractive: ")
    assert install.endswith("install -y --no-install-recommends nftables")
    assert update.endswith("update")


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        ("echo 'E: disk full' && exit 100", "could not install nftables:\n  E: disk full"),
        ("true", "nft is still missing"),
    ],
)
def test_an_installation_that_fails(tmp_path: Path, without_nft: list[str], effect: str, said: str) -> None:
    apt_get(tmp_path / "apt", effect)
    done = provide_nft(without_nft, tmp_path / "apt", "debian")
    assert done.returncode == 1
    assert said in done.stderr


def test_an_ordinary_user_is_told_the_command(tmp_path: Path, without_nft: list[str]) -> None:
    apt_get(tmp_path / "apt", "exit 1")
    done = provide_nft(without_nft, tmp_path / "apt", "debian", asker="unshare --user --map-user=1000")
    assert done.stderr.endswith("nft missing: run\n  sudo apt-get install -y nftables\n")
    assert not (tmp_path / "apt" / "calls").exists()


def test_another_system_names_the_package(tmp_path: Path, without_nft: list[str]) -> None:
    apt_get(tmp_path / "apt", "exit 1")
    done = provide_nft(without_nft, tmp_path / "apt", "fedora")
    assert "nft missing: install nftables (so it is called on Debian)" in done.stderr
    assert not (tmp_path / "apt" / "calls").exists()


def test_several_tools_make_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = [tools.Tool("one", ("pkg-one",), lambda: False), tools.Tool("two", ("pkg-two",), lambda: False)]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="one and two missing: install pkg-one and pkg-two"):
        tools.provide(absent)


SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>{folder}/calls
exit {code}
"""
IN_FOLDERS_OF_ITS_OWN = """
mount --bind {folder}/sbin /usr/sbin && mount --bind {folder}/units /lib/systemd/system &&
mount -t tmpfs none /etc/systemd && mount -t tmpfs none /run && {systemd} PATH={folder}:$PATH exec {asker} "$@"
"""
CHARON_COMES = "touch /lib/systemd/system/strongswan.service && cp /bin/true /usr/sbin/charon-systemd"
SUCH_A_POLICY = f"/usr/sbin/policy-rc.d; test $? = 101 && {CHARON_COMES}"


def begin_to_provide_charon(
    folder: Path, systemd: bool = True, asker: str = "", systemctl: int = 0, needed: str = "[]"
) -> subprocess.Popen[str]:
    """Asks for charon on a Debian that has none, and whose folders for units and system programs are empty at first."""
    (folder / "sbin").mkdir(exist_ok=True)
    (folder / "units").mkdir(exist_ok=True)
    write_script(folder / "systemctl", SYSTEMCTL.format(folder=folder, code=systemctl))
    ask = f"from bench.setup import tools; tools.clear_up(); tools.provide({needed}, [tools.CHARON])"
    made = "mkdir -p /run/systemd/system &&" if systemd else ""
    begin = IN_FOLDERS_OF_ITS_OWN.format(folder=folder, asker=asker, systemd=made)
    # Whoever runs the tests may have SIGINT ignored, as a shell does for what it starts in the background.
    heeding = ["env", "--default-signal=INT,TERM,HUP"]
    under = ["unshare", "--user", "--mount", "--map-root-user", *heeding, "sh", "-c", begin, "sh"]
    return subprocess.Popen(
        [*under, sys.executable, "-c", ask],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=30)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def provide_charon(
    folder: Path, systemd: bool = True, asker: str = "", systemctl: int = 0, needed: str = "[]"
) -> subprocess.CompletedProcess[str]:
    """The same, to its end."""
    return finish(begin_to_provide_charon(folder, systemd, asker, systemctl, needed))


def calls(folder: Path) -> list[str]:
    return [line for line in (folder / "calls").read_text().splitlines() if not line.endswith("update")]


@pytest.mark.parametrize(("systemd", "options"), [(True, "disable --now"), (False, "disable")])
def test_charon_is_installed_and_its_service_is_neither_started_nor_enabled(
    tmp_path: Path, systemd: bool, options: str
) -> None:
    apt_get(tmp_path, SUCH_A_POLICY)
    done = provide_charon(tmp_path, systemd)
    assert done.returncode == 0, done.stderr
    assert calls(tmp_path)[-1] == f"systemctl {options} strongswan.service"
    assert "strongswan.service is disabled: the bench starts the program itself" in done.stderr
    assert [path.name for path in (tmp_path / "sbin").iterdir()] == ["charon-systemd"]


def test_a_policy_of_the_administrators_own_stays(tmp_path: Path) -> None:
    apt_get(tmp_path, CHARON_COMES)
    (tmp_path / "sbin").mkdir()
    policy = tmp_path / "sbin" / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    assert provide_charon(tmp_path).returncode == 0
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"


def test_the_policy_goes_when_the_installation_fails_and_the_start_goes_on(tmp_path: Path) -> None:
    apt_get(tmp_path, "echo 'E: disk full' && exit 100")
    done = provide_charon(tmp_path)
    assert done.returncode == 0
    assert "E: disk full" in done.stderr
    assert not list((tmp_path / "sbin").iterdir())
    assert not [call for call in calls(tmp_path) if call.startswith("systemctl")]


def installing(folder: Path) -> subprocess.Popen[str]:
    """Begins an installation, and waits until apt-get is at work; it goes on when something is written to `go`."""
    for name in ("begun", "go"):
        os.mkfifo(folder / name)
    apt_get(folder, f"echo >{folder}/begun; read _ <{folder}/go; {SUCH_A_POLICY}")
    process = begin_to_provide_charon(folder)
    (folder / "begun").read_text()
    return process


def assert_installed_and_cleared_up(folder: Path) -> None:
    assert [path.name for path in (folder / "sbin").iterdir()] == ["charon-systemd"]
    assert calls(folder)[-1] == "systemctl disable --now strongswan.service"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_installation_is_not_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    process = installing(tmp_path)
    # To the whole group of processes, as a terminal does.
    os.killpg(process.pid, number)
    assert process.stderr is not None
    assert "installing" in process.stderr.readline()
    assert "waiting for the end of the installation" in process.stderr.readline()
    (tmp_path / "go").write_text("\n")
    assert finish(process).returncode == -number
    assert_installed_and_cleared_up(tmp_path)


def test_an_installation_whose_start_was_killed_is_waited_for_and_cleared_up(tmp_path: Path) -> None:
    killed = installing(tmp_path)
    killed.kill()
    finish(killed)
    process = begin_to_provide_charon(tmp_path)
    assert process.stderr is not None
    assert "another start is installing system packages" in process.stderr.readline()
    (tmp_path / "go").write_text("\n")
    done = finish(process)
    assert done.returncode == 0
    assert "missing" not in done.stderr
    assert calls(tmp_path)[-2] == "dpkg --configure -a"
    assert_installed_and_cleared_up(tmp_path)


def test_a_service_that_cannot_be_disabled_is_told(tmp_path: Path) -> None:
    apt_get(tmp_path, SUCH_A_POLICY)
    done = provide_charon(tmp_path, systemctl=1)
    assert done.returncode == 0
    assert "strongswan.service could not be disabled" in done.stderr


def test_an_ordinary_users_command_leaves_no_service_running(tmp_path: Path) -> None:
    apt_get(tmp_path, "exit 1")
    packages = "charon-systemd libcharon-extauth-plugins libcharon-extra-plugins libstrongswan-standard-plugins"
    command = f"run\n  sudo apt-get install -y {packages} && sudo systemctl disable --now strongswan.service\n"
    asker = "unshare --user --map-user=1000"
    done = provide_charon(tmp_path, asker=asker)
    assert (done.returncode, done.stderr) == (0, f"oxobench: strongSwan's charon missing: {command}")
    done = provide_charon(tmp_path, systemd=False, asker=asker)
    assert done.stderr.endswith(f"{packages}\n")


def test_what_is_needed_and_what_is_wanted_make_one_command(tmp_path: Path) -> None:
    apt_get(tmp_path, "exit 1")
    done = provide_charon(tmp_path, asker="unshare --user --map-user=1000", needed="[tools.NFT]")
    assert done.returncode == 1
    assert "nft and strongSwan's charon missing: run\n  sudo apt-get install -y nftables charon-systemd" in done.stderr
