// A grpc-go client of echo.proto: client ADDRESS AUTHORITY. One call of each kind; prints a line for each that went well.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const text = "three short words"

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// checked ends the program unless the call returned the text and named its caller in a trailer.
func checked(kind string, got string, trailer metadata.MD) {
	if by := trailer.Get("x-called-by"); got != text || len(by) != 1 || by[0] != "go" {
		must(fmt.Errorf("%s: got %q, trailer %v", kind, got, trailer))
	}
	fmt.Println(kind, "ok")
}

func stream(ctx context.Context, conn *grpc.ClientConn, name string, fromClient, fromServer bool) grpc.ClientStream {
	desc := &grpc.StreamDesc{StreamName: name, ClientStreams: fromClient, ServerStreams: fromServer}
	it, err := conn.NewStream(ctx, desc, "/interop.Echo/"+name)
	must(err)
	return it
}

// received returns all messages to the end of the call.
func received(it grpc.ClientStream) string {
	var words []string
	for {
		word := new(wrapperspb.StringValue)
		err := it.RecvMsg(word)
		if err == io.EOF {
			return strings.Join(words, " ")
		}
		must(err)
		words = append(words, word.Value)
	}
}

func main() {
	conn, err := grpc.NewClient("passthrough:///"+os.Args[1], grpc.WithAuthority(os.Args[2]),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "x-caller", "go")

	var trailer metadata.MD
	answer := new(wrapperspb.StringValue)
	must(conn.Invoke(ctx, "/interop.Echo/Unary", wrapperspb.String(text), answer, grpc.Trailer(&trailer)))
	checked("unary", answer.Value, trailer)

	split := stream(ctx, conn, "Split", false, true)
	must(split.SendMsg(wrapperspb.String(text)))
	must(split.CloseSend())
	got := received(split)
	checked("server streaming", got, split.Trailer())

	join := stream(ctx, conn, "Join", true, false)
	for _, word := range strings.Fields(text) {
		must(join.SendMsg(wrapperspb.String(word)))
	}
	must(join.CloseSend())
	must(join.RecvMsg(answer))
	checked("client streaming", answer.Value, join.Trailer())

	chat := stream(ctx, conn, "Chat", true, true)
	var words []string
	for _, word := range strings.Fields(text) { // each answer before the next word
		must(chat.SendMsg(wrapperspb.String(word)))
		must(chat.RecvMsg(answer))
		words = append(words, answer.Value)
	}
	must(chat.CloseSend())
	if rest := received(chat); rest != "" {
		must(fmt.Errorf("bidirectional: more than expected: %q", rest))
	}
	checked("bidirectional", strings.Join(words, " "), chat.Trailer())
}
