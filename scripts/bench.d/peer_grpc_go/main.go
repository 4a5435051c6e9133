// The headend's contract on grpc-go, as far as the benchmark needs it: the newest row of each
// asset in a map, acknowledgements at once where wanted, setpoints at a steady rate.
//
// It prints and obeys what server_ours.py does.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	pb "derv1"
	"google.golang.org/grpc"
)

type sample struct {
	tsUs                                int64
	pMw, qMvar, soc, voltage, frequency float64
	status                              uint32
}

type session struct {
	stream pb.Headend_SessionServer
	// One Send at a time: acknowledgements and setpoints come from two goroutines.
	sending sync.Mutex
}

func (s *session) send(m *pb.HeadendMessage) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.stream.Send(m)
}

type headend struct {
	mu         sync.Mutex
	latest     map[string]sample
	sessions   map[string]*session
	order      []string // agents that the next setpoints go to
	orderedAt  map[string]time.Time
	setpointUs []int64
	rows       int
	orders     int
	rate       float64
	below      string // only agents before this one are ordered; empty: all
	acks       bool
}

func (h *headend) Session(stream pb.Headend_SessionServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	register := first.GetRegister()
	s := &session{stream: stream}
	grants := make([]*pb.AssetGrant, len(register.AssetIds))
	for i := range grants {
		grants[i] = &pb.AssetGrant{AssetIndex: uint32(i), Result: pb.GrantResult_GRANT_RESULT_GRANTED}
	}
	welcome := &pb.Welcome{SessionId: register.AgentId, TelemetryPeriodMs: 4000, Assets: grants}
	h.mu.Lock()
	h.sessions[register.AgentId] = s
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.sessions, register.AgentId)
		h.mu.Unlock()
	}()
	if err := s.send(&pb.HeadendMessage{Body: &pb.HeadendMessage_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch body := m.Body.(type) {
		case *pb.AgentMessage_Telemetry:
			if ack := h.take(register.AssetIds, body.Telemetry); ack != nil {
				if err := s.send(ack); err != nil {
					return err
				}
			}
		case *pb.AgentMessage_DispatchReport:
			h.report(body.DispatchReport)
		}
	}
}

func at(column []float64, row int) float64 {
	if len(column) == 0 {
		return math.NaN()
	}
	return column[row]
}

// Stores the rows; returns their acknowledgement, nil if there is to be none.
func (h *headend) take(assets []string, t *pb.Telemetry) *pb.HeadendMessage {
	rows := len(t.AssetIndex)
	h.mu.Lock()
	for row, index := range t.AssetIndex {
		h.latest[assets[index]] = sample{
			t.TsUs[row], t.PMw[row], at(t.QMvar, row), at(t.Soc, row), at(t.VoltageV, row),
			at(t.FrequencyHz, row), t.Status[row],
		}
	}
	h.rows += rows
	acks := h.acks
	h.mu.Unlock()
	if !acks {
		return nil
	}
	durable := &pb.SeqRange{First: t.FirstSeq, Last: t.FirstSeq + uint64(rows) - 1}
	ack := &pb.TelemetryAck{BootId: t.BootId, Durable: []*pb.SeqRange{durable}}
	return &pb.HeadendMessage{Body: &pb.HeadendMessage_TelemetryAck{TelemetryAck: ack}}
}

func (h *headend) report(r *pb.DispatchReport) {
	if r.State != pb.DispatchState_DISPATCH_STATE_STARTED {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if orderedAt, ok := h.orderedAt[r.DispatchId]; ok {
		delete(h.orderedAt, r.DispatchId)
		h.setpointUs = append(h.setpointUs, time.Since(orderedAt).Microseconds())
	}
}

// The next agent's session and a dispatch's id; nil if nobody is there.
func (h *headend) next() (*session, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.order) == 0 {
		for agent := range h.sessions {
			if h.below == "" || agent < h.below {
				h.order = append(h.order, agent)
			}
		}
	}
	if len(h.order) == 0 {
		return nil, ""
	}
	s := h.sessions[h.order[0]]
	h.order = h.order[1:]
	h.orders++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", h.orders)
	h.orderedAt[id] = time.Now()
	return s, id
}

func (h *headend) keepOrdering() {
	for {
		h.mu.Lock()
		rate := h.rate
		h.mu.Unlock()
		if rate == 0 {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if s, id := h.next(); s != nil {
			setpoint := &pb.Setpoint{DispatchId: id, Mw: 1, Priority: 128, RemainingUs: 60000000}
			m := &pb.HeadendMessage{Body: &pb.HeadendMessage_Setpoint{Setpoint: setpoint}}
			if err := s.send(m); err != nil {
				log.Print(err)
			}
		}
		time.Sleep(time.Duration(float64(time.Second) / rate))
	}
}

func (h *headend) stats() map[string]interface{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	times := h.setpointUs
	if times == nil {
		times = []int64{}
	}
	h.setpointUs = nil
	return map[string]interface{}{
		"sessions": len(h.sessions), "rows": h.rows, "setpoints_us": times,
	}
}

func main() {
	h := &headend{
		latest:    map[string]sample{},
		sessions:  map[string]*session{},
		orderedAt: map[string]time.Time{},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterHeadendServer(server, h)
	go server.Serve(listener)
	go h.keepOrdering()
	say := json.NewEncoder(os.Stdout)
	say.Encode(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) > 1 && words[0] == "orders" {
			rate, err := strconv.ParseFloat(words[1], 64)
			if err != nil {
				log.Fatal(err)
			}
			below := ""
			if len(words) == 3 {
				agents, err := strconv.Atoi(words[2])
				if err != nil {
					log.Fatal(err)
				}
				below = fmt.Sprintf("agent-%05d", agents)
			}
			h.mu.Lock()
			h.rate, h.below = rate, below
			h.mu.Unlock()
		} else if len(words) == 2 && words[0] == "acks" {
			h.mu.Lock()
			h.acks = words[1] == "on"
			h.mu.Unlock()
		} else if len(words) == 1 && words[0] == "stats" {
			say.Encode(h.stats())
		}
	}
}
