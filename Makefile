# vsocks: every command of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

APT_BASE := python3-venv
# PyInstaller's source tells its name only after it has compiled a bootloader for this machine.
APT_EXE := wine wine64 osslsigncode gcc-mingw-w64-x86-64 gcc libc6-dev zlib1g-dev
APT_MSI := wixl msitools $(APT_EXE)
APT_WINDOWS := qemu-system-x86 qemu-utils ovmf swtpm xorriso openssh-client $(APT_MSI)
APT_TEST := curl bind9-dnsutils dnsmasq-base openssh-server openssh-client qemu-guest-agent $(APT_WINDOWS) grub-efi-amd64-bin grub-common mtools
# Ubuntu's chromium is a snap; its runners have a browser of their own.
APT_BROWSER := $(shell grep -qs '^ID=ubuntu' /etc/os-release || echo chromium)
APT_TEST += dante-client fdisk git ldnsutils libengine-pkcs11-openssl mmdebstrap openssl softhsm2 netcat-openbsd putty-tools tnftp torsocks wget $(APT_BROWSER)
APT_VM := qemu-system-x86 qemu-utils openssh-client mmdebstrap debian-archive-keyring e2fsprogs mount uidmap xorriso ovmf
APT_BENCH := openssh-server openssh-client socat tinyproxy-bin dante-server \
    golang-go golang-github-hashicorp-yamux-dev

# What apt and pip have to say goes there; who looks on sees a line, and the end of it if they fail.
QUIETLY := harness/quietly .cache/setup.log

# Install the Debian packages $(1) that are missing; ask apt for nothing otherwise.
define apt-install
	@missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null \
	    | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	    $(QUIETLY) "installing by apt:$$(printf ' %s' $$missing)" \
	        $(SUDO) env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get -q update && \
	        apt-get -q install -y --no-install-recommends "$$@"' apt $$missing; \
	fi
endef

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' \
	    '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
	     /^[a-z][a-z0-9-]*:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo; echo "Each installs what it needs, Python packages in $(VENV) only."

##@ Begin
.PHONY: setup
setup: $(VENV)/ready apt-test apt-vm apt-bench ## Install everything that any command needs (apt, pip)

.PHONY: apt-base apt-test apt-vm apt-bench
apt-base:
	$(call apt-install,$(APT_BASE))
apt-test:
	$(call apt-install,$(APT_TEST))
apt-vm:
	$(call apt-install,$(APT_VM))
apt-bench:
	$(call apt-install,$(APT_BENCH))

$(VENV)/ready: pyproject.toml | apt-base
	@$(QUIETLY) "making $(VENV)" $(PYTHON) -m venv $(VENV)
	@$(QUIETLY) "installing Python packages in $(VENV)" $(BIN)/pip install --editable '.[dev]'
	@touch $@

.PHONY: demo
demo: $(VENV)/ready apt-vm ## Boot a VM with no network and fetch a file from it through vsocks
	$(BIN)/python -m harness.demo

.PHONY: shell
shell: $(VENV)/ready apt-vm ## A prompt in a fresh VM with no network, vsocks running: [ARGS='--allow 127.0.0.1:8000']
	$(BIN)/python -m harness shell $(ARGS)

##@ Before a commit
.PHONY: check format coverage
check: $(VENV)/ready ## Lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 vsocks tests/windows
format: $(VENV)/ready ## Mend what the linter can, and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Percent of the lines that this system can run, of unit and one-process tests together.
LEAST_COVERAGE := 90
coverage: $(VENV)/ready apt-test ## Lines of vsocks/ that the unit and one-process tests run, as a table
	$(BIN)/coverage run --omit="$$($(BIN)/python -m tests.windows_only)" \
	    -m pytest tests/unit tests/one_process
	$(BIN)/coverage report --fail-under=$(LEAST_COVERAGE)

##@ Tests; ARGS are pytest's: ARGS='-k name', ARGS=tests/integration/test_bind.py
# Run the tests of the folder $(1), or those that ARGS names in its place.
pytest = $(BIN)/pytest $(if $(filter tests/%,$(ARGS)),,$(1)) $(ARGS)
# What the second event loop is tried with: all kinds of traffic, and all ways to end.
LOOP_TESTS := $(patsubst %,tests/integration/test_%.py,session flow kill ending shutdown \
    forwards http_proxy datagrams bind)

# The tiers one after the other, whatever -j says: they would slow each other down.
.NOTPARALLEL:
.PHONY: lowest unit one-process integration integration-asyncio e2e hostile hostile-short soak soak-short chaos test
unit: $(VENV)/ready ## Tests of pure code, in seconds
	$(call pytest,tests/unit)
one-process: $(VENV)/ready apt-test ## Tests of both daemons' middles in one event loop, in seconds
	$(call pytest,tests/one_process)
integration: $(VENV)/ready apt-test ## Tests of the two daemons as processes
	$(call pytest,tests/integration)
integration-asyncio: $(VENV)/ready apt-test ## A part of them on asyncio's own event loop, not uvloop's
	VSOCKS_LOOP=asyncio $(call pytest,$(LOOP_TESTS))
LOWEST := .venv-lowest
lowest: $(VENV)/ready apt-test ## Unit and one-process tests with the lowest versions of all packages
	@$(QUIETLY) "making $(LOWEST)" $(PYTHON) -m venv --clear $(LOWEST)
	$(BIN)/python -m harness.lowest > $(LOWEST)/requirements.txt
	@$(QUIETLY) "installing Python packages in $(LOWEST)" $(LOWEST)/bin/pip install \
	    --requirement $(LOWEST)/requirements.txt
	$(LOWEST)/bin/$(patsubst $(BIN)/%,%,$(call pytest,tests/unit tests/one_process))
# With what compiles libvirt's Python package.
APT_LIBVIRT := libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 \
    libvirt-dev gcc pkg-config python3-dev
OF_LIBVIRT := integration/test_libvirt.py integration/test_attach.py e2e/test_attached_domain.py
.PHONY: apt-libvirt libvirt
apt-libvirt:
	$(call apt-install,$(APT_LIBVIRT))
libvirt: $(VENV)/ready apt-libvirt apt-vm ## Tests with a libvirtd of their own, and with QEMUs that run
	@$(QUIETLY) "installing Python packages in $(VENV)" $(BIN)/pip install --editable '.[dev,libvirt]'
	$(call pytest,$(addprefix tests/,$(OF_LIBVIRT)))
e2e: $(VENV)/ready apt-vm apt-test apt-deb ## Tests in a VM, on the best VM at hand
	$(call pytest,tests/e2e)
# How long, if nothing else is asked for: seconds for each daemon, minutes for both.
HOSTILE_SECONDS := 300
MINUTES := 60
hostile: $(VENV)/ready ## A hostile peer for each daemon: [HOSTILE_SECONDS=300] [HOSTILE_SEED=…]
	HOSTILE_SECONDS=$(HOSTILE_SECONDS) $(call pytest,tests/hostile)
soak: $(VENV)/ready ## Mixed traffic through both, with kills: [MINUTES=60] [ARGS='--seed …']
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(ARGS)
chaos: $(VENV)/ready apt-vm ## Faults in a VM under traffic, drawn by a seed: [MINUTES=60] [ARGS='--seed …']
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(ARGS)
hostile-short: $(VENV)/ready
	$(BIN)/pytest tests/hostile
soak-short: $(VENV)/ready
	$(BIN)/python -m tests.soak --minutes 0.2
test: check unit one-process integration integration-asyncio hostile-short soak-short ## All that needs no VM: check, these but e2e, the last two for seconds

##@ Windows
.PHONY: apt-windows windows-image windows-check
apt-windows:
	$(call apt-install,$(APT_WINDOWS))
WINDOWS = $(BIN)/python -m harness.windows $(1) --profile '$(PROFILE)' --windows-iso '$(WINDOWS_ISO)' \
	--virtio-win-iso '$(VIRTIO_WIN_ISO)' --openssh-zip '$(OPENSSH_ZIP)' --activate '$(ACTIVATE)' \
	--secure-boot '$(SECURE_BOOT)' --windows-sha256 '$(WINDOWS_SHA256)' \
	--box '$(WINDOWS_BOX)' --box-user '$(BOX_USER)' --box-key '$(BOX_KEY)' \
	--box-agent '$(BOX_AGENT)' --box-disk '$(or $(BOX_DISK),ahci)'
windows-image: $(VENV)/ready apt-windows ## Build a Windows VM: WINDOWS_ISO=… VIRTIO_WIN_ISO=… [PROFILE=…]
	$(call WINDOWS,image)
windows-check: $(VENV)/ready apt-windows ## Try on a true Windows all that needs one (same variables)
	$(call WINDOWS,check)

# Who signs what Windows runs, if anybody: docs/windows-guest.md, "Signed".
SIGNING = --sign '$(SIGN)' --sign-certificates '$(SIGN_CERTIFICATES)' --sign-module '$(SIGN_MODULE)' \
	--sign-password-file '$(SIGN_PASSWORD_FILE)' --sign-timestamp '$(SIGN_TIMESTAMP)'
.PHONY: apt-exe apt-msi guest-exe guest-msi winget-manifest
apt-exe:
	$(call apt-install,$(APT_EXE))
guest-exe: $(VENV)/ready apt-exe ## Build vsocks-guest.exe, the guest daemon for Windows: [WINDOWS_PYTHON=FILE] [SIGN=KEY.pfx …]
	$(BIN)/python -m harness.exe $(SIGNING)
apt-msi:
	$(call apt-install,$(APT_MSI))
guest-msi: $(VENV)/ready apt-msi ## Build vsocks-guest-VERSION.msi, for who deploys it on Windows
	$(BIN)/python -m harness.msi $(SIGNING)
# Not built anew: a signature would differ from the one in the file that is at the URL.
winget-manifest: $(VENV)/ready apt-msi ## Describe the MSI in dist/ for winget: URL=https://… [ID=vsocks.guest]
	$(BIN)/python -m harness.msi.winget --url '$(URL)' --identifier '$(ID)'

##@ Packages, all of them in dist/
.PHONY: guest-pyz
guest-pyz: apt-base ## Build vsocks.pyz, the whole program in one file for Linux guests
	$(PYTHON) -m harness.pyz

.PHONY: apt-iso guest-iso
apt-iso:
	$(call apt-install,xorriso)
guest-iso: $(VENV)/ready apt-msi apt-iso ## Build vsocks-guest.iso, a disc that brings vsocks into any guest
	$(BIN)/python -m harness.guest_disc $(SIGNING)

APT_DEB := debhelper dh-python lintian
.PHONY: apt-deb deb deb-check
apt-deb:
	$(call apt-install,$(APT_DEB))
deb: $(VENV)/ready apt-deb ## Build packages for Debian and Ubuntu, for host and guest
	$(BIN)/python -m harness.deb
deb-check: $(VENV)/ready apt-deb apt-vm ## Build them, install them in a fresh Debian, and run them there; [SUITE=trixie]
	$(BIN)/python -m harness.deb check $(SUITE)

##@ And besides
.PHONY: bench fuzz mutate clean
bench: $(VENV)/ready apt-bench apt-vm apt-exe ## Speed beside ssh -D, tinyproxy, danted, the raw pipe; ARGS=--smoke
	$(BIN)/python -m tests.bench $(ARGS)
fuzz: $(VENV)/ready ## Fuzz the parsers for a few minutes; ARGS='--seconds 5 --only socks_5'
	@$(QUIETLY) "installing Python packages in $(VENV)" $(BIN)/pip install --editable '.[dev,fuzz]'
	$(BIN)/python -m tests.fuzz $(ARGS)
mutate: $(VENV)/ready apt-test ## Spoil the code at random, name what no test notices; ARGS='--sample 20 vsocks/address.py'
	$(BIN)/python -m tests.mutate $(ARGS)
clean: ## Remove what was built or downloaded (the VM image too)
	rm -rf $(VENV) $(LOWEST) .cache .coverage dist build tests/artifacts *.egg-info
