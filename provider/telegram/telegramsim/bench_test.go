package telegramsim_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-im/parley/provider/telegram/telegramsim"
)

// BenchmarkSendMessage is one accepted message without the network.
func BenchmarkSendMessage(b *testing.B) {
	s := telegramsim.New(telegramsim.Options{Local: true})
	defer s.Close()
	if _, err := s.AddBot(token, "", ""); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Say(telegramsim.Line{Person: "5550001", Text: "hello"}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r := httptest.NewRequest("POST", "/bot"+token+"/sendMessage", strings.NewReader(`{"chat_id":5550001,"text":"hello"}`))
		r.Header.Set("Content-Type", "application/json")
		got := httptest.NewRecorder()
		if s.ServeHTTP(got, r); got.Code != 200 {
			b.Fatal(got.Body)
		}
	}
}

// BenchmarkCallback is one message of a person, delivered without the network.
func BenchmarkCallback(b *testing.B) {
	done := make(chan struct{}, 100)
	r := &receiver{block: func(callback) { done <- struct{}{} }}
	s := telegramsim.New(telegramsim.Options{Local: true, HTTP: r.client()})
	defer s.Close()
	if _, err := s.AddBot(token, "", ""); err != nil {
		b.Fatal(err)
	}
	call(s, "setWebhook", params{"url": "http://gateway.test/x"})
	for b.Loop() {
		if _, err := s.Say(telegramsim.Line{Person: "5550001", Text: "hello"}); err != nil {
			b.Fatal(err)
		}
		<-done
	}
}
