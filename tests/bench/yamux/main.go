// A SOCKS5 proxy (CONNECT, IPv4) whose connections are multiplexed by yamux over one unix socket.
//
//	main guest ADDR:PORT SOCKET   listens there for clients, and at the socket for the host
//	main host SOCKET              dials what the guest's streams ask for
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/hashicorp/yamux"
)

func config() *yamux.Config {
	config := yamux.DefaultConfig()
	config.MaxStreamWindowSize = 512 * 1024
	config.LogOutput = io.Discard
	return config
}

// relay copies both ways and ends each direction by itself.
func relay(one, other net.Conn) {
	done := make(chan struct{})
	go func() {
		io.Copy(one, other)
		end(one)
		close(done)
	}()
	io.Copy(other, one)
	end(other)
	<-done
	one.Close()
	other.Close()
}

func end(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	conn.Close() // of yamux's stream: it sends no more
}

func serve(client net.Conn, session *yamux.Session) {
	greeting := make([]byte, 3)
	request := make([]byte, 10)
	if _, err := io.ReadFull(client, greeting); err != nil {
		client.Close()
		return
	}
	client.Write([]byte{5, 0})
	if _, err := io.ReadFull(client, request); err != nil || request[3] != 1 {
		client.Close()
		return
	}
	stream, err := session.Open()
	if err != nil {
		client.Close()
		return
	}
	stream.Write(request[4:])
	reply := make([]byte, 1)
	if _, err := io.ReadFull(stream, reply); err != nil {
		client.Close()
		stream.Close()
		return
	}
	client.Write([]byte{5, reply[0], 0, 1, 0, 0, 0, 0, 0, 0})
	relay(client, stream)
}

func dial(stream net.Conn) {
	asked := make([]byte, 6)
	if _, err := io.ReadFull(stream, asked); err != nil {
		stream.Close()
		return
	}
	where := fmt.Sprintf("%s:%d", net.IP(asked[:4]), binary.BigEndian.Uint16(asked[4:]))
	target, err := net.Dial("tcp", where)
	if err != nil {
		stream.Write([]byte{5})
		stream.Close()
		return
	}
	stream.Write([]byte{0})
	relay(stream, target)
}

func guest(address, socket string) {
	channel, err := net.Listen("unix", socket)
	check(err)
	clients, err := net.Listen("tcp", address)
	check(err)
	log.Print("waiting")
	pipe, err := channel.Accept()
	check(err)
	session, err := yamux.Client(pipe, config())
	check(err)
	log.Print("ready")
	for {
		client, err := clients.Accept()
		check(err)
		go serve(client, session)
	}
}

func host(socket string) {
	pipe, err := net.Dial("unix", socket)
	check(err)
	session, err := yamux.Server(pipe, config())
	check(err)
	for {
		stream, err := session.Accept()
		check(err)
		go dial(stream)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if os.Args[1] == "guest" {
		guest(os.Args[2], os.Args[3])
	} else {
		host(os.Args[2])
	}
}
