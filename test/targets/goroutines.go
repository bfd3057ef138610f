// SPDX-License-Identifier: MIT

// goroutines N ROUNDS: N goroutines write and read files and talk over loopback sockets.
// Prints "ready", at the end "checksum X", which depends on N and ROUNDS only.
package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

func must(err error) {
	if err != nil {
		fmt.Println("wrong:", err)
		os.Exit(3)
	}
}

func echo(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			io.Copy(conn, conn)
			conn.Close()
		}()
	}
}

func throughFile(dir string, id, round int) []byte {
	path := filepath.Join(dir, fmt.Sprintf("f%d", id))
	must(os.WriteFile(path, []byte(fmt.Sprintf("%d %d", id, round)), 0o600))
	text, err := os.ReadFile(path)
	must(err)
	must(os.Remove(path))
	return text
}

func throughSocket(conn net.Conn, text []byte) []byte {
	_, err := conn.Write(text)
	must(err)
	back := make([]byte, len(text))
	_, err = io.ReadFull(conn, back)
	must(err)
	return back
}

func work(dir, address string, id, rounds int) uint64 {
	conn, err := net.Dial("tcp", address)
	must(err)
	defer conn.Close()
	sum := fnv.New64a()
	for round := 0; round < rounds; round++ {
		sum.Write(throughSocket(conn, throughFile(dir, id, round)))
	}
	return sum.Sum64()
}

func argument(at, otherwise int) int {
	if len(os.Args) <= at {
		return otherwise
	}
	n, err := strconv.Atoi(os.Args[at])
	must(err)
	return n
}

func main() {
	n, rounds := argument(1, 8), argument(2, 50)
	dir, err := os.MkdirTemp("", "goroutines")
	must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go echo(listener)
	fmt.Println("ready")
	var all sync.WaitGroup
	sums := make([]uint64, n)
	for i := range sums {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			sums[i] = work(dir, listener.Addr().String(), i, rounds)
		}(i)
	}
	all.Wait()
	listener.Close()
	must(os.RemoveAll(dir))
	var sum uint64
	for _, one := range sums {
		sum = sum*1099511628211 + one
	}
	fmt.Printf("checksum %016x\n", sum)
}
