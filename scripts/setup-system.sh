#!/bin/sh
# Installs the system packages that kernelc needs: the Vulkan loader, Mesa's Vulkan drivers (lavapipe runs kernels on the CPU,
# RADV compiles them for gfx1103), the validation layers (for the tests) and SPIRV-Tools. It installs by itself on Debian 12 and 13; elsewhere it says what to install.
# It says what it does before it does it, and does nothing where all is present. PYTHON names the interpreter that will be used.
set -eu

python=${PYTHON:-python3}
source_file=/etc/apt/sources.list.d/kernelc-backports.sources
mesa_needed=25 # RADV of Mesa 22 knows neither "phoenix" nor cooperative matrices

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

os_id=unknown os_version='' os_name='this system'
if [ -r /etc/os-release ]; then
    os_id=$(. /etc/os-release && printf '%s' "${ID:-unknown}")
    os_version=$(. /etc/os-release && printf '%s' "${VERSION_ID:-}")
    os_name=$(. /etc/os-release && printf '%s' "${PRETTY_NAME:-$ID}")
fi

# --- what is here ----------------------------------------------------------------------------------------------------------

have_python() { "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }
have_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }
have_loader() { PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1 '; }
have_icd() { # $1: lvp or radeon; the file is called lvp_icd.json or lvp_icd.x86_64.json
    for folder in /usr/share/vulkan/icd.d /etc/vulkan/icd.d /usr/local/share/vulkan/icd.d; do
        for file in "$folder/$1"_icd*.json; do [ -e "$file" ] && return 0; done
    done
    return 1
}
have_layers() {
    for folder in /usr/share/vulkan/explicit_layer.d /etc/vulkan/explicit_layer.d /usr/local/share/vulkan/explicit_layer.d; do
        [ -e "$folder/VkLayer_khronos_validation.json" ] && return 0
    done
    return 1
}
have_spirv() { command -v spirv-val >/dev/null 2>&1 && command -v spirv-dis >/dev/null 2>&1; }

mesa_version() { # the installed version, or nothing where no package manager knows it
    if command -v dpkg-query >/dev/null 2>&1; then
        # shellcheck disable=SC2016  # the braces are dpkg's
        dpkg-query -W -f '${db:Status-Status} ${Version}\n' mesa-vulkan-drivers 2>/dev/null | sed -n 's/^installed //p' | head -n 1
    elif command -v rpm >/dev/null 2>&1; then
        rpm -q --qf '%{VERSION}\n' mesa-vulkan-drivers 2>/dev/null | grep -v 'not installed' | head -n 1
    fi
}
mesa_is_new() {
    version=$(mesa_version)
    version=${version#*:} # an epoch
    [ -z "$version" ] || [ "${version%%.*}" -ge "$mesa_needed" ]
}

missing() { # one line for each thing that is not here
    have_venv || echo "the venv module of $python"
    have_loader || echo "the Vulkan loader (libvulkan.so.1)"
    have_icd lvp || echo "lavapipe (Mesa's Vulkan driver for the CPU)"
    have_icd radeon || echo "RADV (Mesa's Vulkan driver for AMD, used as a compiler)"
    mesa_is_new || echo "Mesa $mesa_needed or later (here: $(mesa_version))"
    have_layers || echo "Vulkan's validation layers (the tests run under them)"
    have_spirv || echo "SPIRV-Tools (spirv-val, spirv-dis)"
}

# --- how to get it ---------------------------------------------------------------------------------------------------------

advice() {
    case $os_id in
    ubuntu) echo "  sudo apt-get install python3-venv libvulkan1 mesa-vulkan-drivers vulkan-validationlayers spirv-tools
  (24.04 with its updates or later; where Mesa is older than $mesa_needed: sudo add-apt-repository ppa:kisak/kisak-mesa)" ;;
    fedora) echo "  sudo dnf install python3 vulkan-loader mesa-vulkan-drivers vulkan-validation-layers spirv-tools" ;;
    debian) echo "  apt-get install python3-venv libvulkan1 mesa-vulkan-drivers vulkan-validationlayers spirv-tools
  (Debian 12: mesa-vulkan-drivers from bookworm-backports; run this as root, or install sudo)" ;;
    *) echo "  the Vulkan loader, Mesa's Vulkan drivers $mesa_needed or later (lavapipe and RADV), the validation layers, SPIRV-Tools, Python's venv module" ;;
    esac
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

backports_known() { apt-cache policy 2>/dev/null | grep -q 'n=bookworm-backports'; }

add_backports() {
    # The mirror that this machine uses already, which may not be Debian's own.
    # shellcheck disable=SC2016  # the dollar signs are apt's
    mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(LABEL)' 2>/dev/null | sed -n 's/ bookworm Debian$//p' | head -n 1)
    mirror=${mirror:-http://deb.debian.org/debian}
    say "adding $source_file (bookworm-backports of $mirror), which has Mesa $mesa_needed"
    as_root tee "$source_file" >/dev/null <<EOF
# Written by kernelc's scripts/setup-system.sh: Mesa $mesa_needed for its Vulkan drivers. Packages come from here only when asked for.
Types: deb
URIs: $mirror
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
EOF
    as_root apt-get update -qq
}

install_debian() {
    say "reading the package lists (apt-get update)"
    as_root apt-get update -qq
    packages="libvulkan1 spirv-tools vulkan-validationlayers"
    if ! have_venv; then
        packages="$packages python3-venv"
    fi
    say "installing $packages"
    # shellcheck disable=SC2086  # a list of words
    as_root apt-get install -y -qq --no-install-recommends $packages >/dev/null
    if ! have_icd lvp || ! have_icd radeon || ! mesa_is_new; then
        release=''
        if [ "$os_version" = 12 ]; then
            backports_known || add_backports
            release='-t bookworm-backports'
        fi
        say "installing mesa-vulkan-drivers${release:+ from bookworm-backports}"
        # shellcheck disable=SC2086
        as_root apt-get install -y -qq --no-install-recommends $release mesa-vulkan-drivers >/dev/null
    fi
}

# --- main ------------------------------------------------------------------------------------------------------------------

have_python || fail "$python is not Python 3.10 or later; install one, or name one: make PYTHON=/path/to/python3"
lacking=$(missing)
if [ -z "$lacking" ]; then
    say "system packages: all present"
    exit 0
fi
say "missing on $os_name:"
printf '%s\n' "$lacking" | sed 's/^/  - /'

case $os_id:$os_version in
debian:12 | debian:13)
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
        printf 'setup: neither root nor sudo; as root, install:\n%s\n' "$(advice)" >&2
        exit 1
    fi
    install_debian
    ;;
*)
    printf 'setup: please install, then run make again:\n%s\n' "$(advice)" >&2
    exit 1
    ;;
esac

lacking=$(missing)
[ -z "$lacking" ] || fail "still missing after the installation: $(printf '%s' "$lacking" | tr '\n' ';')"
say "system packages: done"
