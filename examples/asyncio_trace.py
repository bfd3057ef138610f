#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints the system calls of a process, with nothing but cotrace-protocol(7): no C library.

One socket carries requests, replies and events; asyncio waits for it. request() is for
coroutines, call() for any other thread.
"""
import asyncio, os, socket, struct, subprocess, sys, threading

HEADER = struct.Struct('<IHHQ')                 # size, type, flags, cookie
EVENT_HEAD = struct.Struct('<QQiiIIQQ')         # time, task, tid, pid, arch, captured, pc, sp
ENTRY, EXIT = struct.Struct('<q6Q'), struct.Struct('<q6QqI')
HELLO, ATTACH, SUBSCRIBE, SYSCALLS, TASKS = 1, 2, 4, 5, 18
EVENT, PROCESS_EXIT, SYSCALL_ENTRY, SYSCALL_EXIT, SESSION_END = 128, 8, 12, 13, 22
NOTE, OBSERVER, BOTH_PHASES = 1, 1, 3
ENGINE = os.environ.get('COTRACE_ENGINE', '/usr/local/libexec/cotrace-engine')


def tracer_of(pid):
    with open(f'/proc/{pid}/status') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('TracerPid'))


def reach_engine(pid):
    """A connection to the engine that traces the process already, or to a new one."""
    tracer = tracer_of(pid)
    if tracer:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(f'\0cotrace-engine/{tracer}')
        peer = struct.unpack('iII', sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if peer[0] != tracer or peer[1] not in (0, os.geteuid()):
            raise PermissionError(f'process {peer[0]} pretends to be engine {tracer}')
        return sock
    sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:                                # --detach: nobody has to reap the engine
        subprocess.run([ENGINE, '--session-fd', str(theirs.fileno()), '--detach'],
                       pass_fds=[theirs.fileno()], check=True)
    return sock


class Session:
    def __init__(self, pid):
        self.loop, self.events = asyncio.get_running_loop(), asyncio.Queue()
        self.cookie, self.waiting = 0, {}
        self.pid, self.sock = pid, reach_engine(pid)
        self.sock.setblocking(False)
        self.loop.add_reader(self.sock, self.receive)

    async def attach(self):
        await self.request(HELLO, struct.pack('<II', 1, 1))
        proof = os.open(f'/proc/{self.pid}/mem', os.O_RDONLY)   # the kernel's own check
        try:
            await self.request(ATTACH, struct.pack('<iIIIIIq', self.pid, OBSERVER, 0, 0, 0, 0, 0),
                               [proof])
        finally:
            os.close(proof)

    async def request(self, kind, body, fds=()):
        self.cookie += 1
        self.waiting[self.cookie] = reply = self.loop.create_future()
        message = HEADER.pack(HEADER.size + len(body), kind, 0, self.cookie) + body
        socket.send_fds(self.sock, [message], fds)
        body = await reply
        error = struct.unpack_from('<i', body)[0]
        if error:
            raise OSError(-error, os.strerror(-error))
        return body

    def call(self, kind, body):
        return asyncio.run_coroutine_threadsafe(self.request(kind, body), self.loop).result()

    def receive(self):
        datagram = self.sock.recv(65536)
        if not datagram:
            self.loop.remove_reader(self.sock)
            self.events.put_nowait((SESSION_END, 0, b''))
        while datagram:
            size, kind, _, cookie = HEADER.unpack_from(datagram)
            body, datagram = datagram[HEADER.size:size], datagram[size:]
            if kind > EVENT:
                self.events.put_nowait((kind - EVENT, EVENT_HEAD.unpack_from(body)[2],
                                        body[EVENT_HEAD.size:]))
            elif cookie in self.waiting:
                self.waiting.pop(cookie).set_result(body)


def watch(session):
    """An ordinary thread: its calls and the coroutine's share the session."""
    total = struct.unpack_from('<iI', session.call(TASKS, struct.pack('<Q', 0)))[1]
    print(f'process {session.pid} has {total} tasks', file=sys.stderr)


async def main(pid):
    session = Session(pid)
    await session.attach()
    await session.request(SYSCALLS, struct.pack('<III', 0, BOTH_PHASES, NOTE) + b'\xff' * 128)
    await session.request(SUBSCRIBE, struct.pack('<II', PROCESS_EXIT, NOTE))
    threading.Thread(target=watch, args=[session], daemon=True).start()
    while True:
        kind, tid, body = await session.events.get()
        if kind == SYSCALL_ENTRY:
            nr, *args = ENTRY.unpack_from(body)
            print(f'{tid}: {nr}(' + ', '.join(f'{arg:#x}' for arg in args) + ')')
        elif kind == SYSCALL_EXIT:
            nr, *_, result, _ = EXIT.unpack_from(body)
            print(f'{tid}: {nr} = {result}')
        elif kind in (PROCESS_EXIT, SESSION_END):
            return


if __name__ == '__main__':
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit('Usage: asyncio_trace.py PID')
    try:
        asyncio.run(main(int(sys.argv[1])))
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    except OSError as error:
        sys.exit(f'asyncio_trace.py: {error}; `cotrace why {sys.argv[1]}` says more')
