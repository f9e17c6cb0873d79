# Starts a hook with Python 3.13 or, if there is none that runs, with python3: the hook says what
# it needs. A name on the PATH is not enough: it may be a shim without an interpreter.
#   sh infra/hooks/start.sh package.py
case "${1-}" in
package.py | before_deployment.py | after_deployment.py) ;;
*)
    echo "FAILED: ${1:-no name of a hook} is given, and the hooks are these:" >&2
    echo "  package.py, before_deployment.py, after_deployment.py" >&2
    echo "  what to do: sh infra/hooks/start.sh HOOK [options], such as package.py --check" >&2
    exit 2
    ;;
esac
hook="$(dirname "$0")/$1"
shift
for python in python3.13 python3; do
    if "$python" -c "" 2>/dev/null; then
        exec "$python" "$hook" "$@"
    fi
done
echo "FAILED: neither python3.13 nor python3 runs here" >&2
echo "  what to do: install CPython 3.13 (python.org, uv python install 3.13), then repeat" >&2
exit 2
