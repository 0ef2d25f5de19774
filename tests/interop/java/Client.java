// A grpc-java client of echo.proto: Client ADDRESS AUTHORITY. One call of each kind; prints a line for each that went well.
package interop;

import com.google.protobuf.StringValue;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.ProtoUtils;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

public final class Client {
    private static final String TEXT = "three short words";
    private static final Metadata.Key<String> CALLER = Metadata.Key.of("x-caller", Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<String> CALLED_BY = Metadata.Key.of("x-called-by", Metadata.ASCII_STRING_MARSHALLER);

    // One call: sends its words, each after the answer to the one before when `inTurn`, and keeps what comes.
    private static final class Call extends ClientCall.Listener<StringValue> {
        private final ClientCall<StringValue, StringValue> call;
        private final List<String> words;
        private final boolean inTurn;
        private final List<String> received = new ArrayList<>();
        private final CountDownLatch ended = new CountDownLatch(1);
        private int sent;
        private Status status;
        private Metadata trailers;

        Call(ManagedChannel channel, String name, MethodType type, List<String> words, boolean inTurn) {
            this.words = words;
            this.inTurn = inTurn;
            MethodDescriptor<StringValue, StringValue> method = MethodDescriptor.<StringValue, StringValue>newBuilder()
                    .setType(type)
                    .setFullMethodName("interop.Echo/" + name)
                    .setRequestMarshaller(ProtoUtils.marshaller(StringValue.getDefaultInstance()))
                    .setResponseMarshaller(ProtoUtils.marshaller(StringValue.getDefaultInstance()))
                    .build();
            call = channel.newCall(method, CallOptions.DEFAULT.withDeadlineAfter(20, TimeUnit.SECONDS));
            Metadata metadata = new Metadata();
            metadata.put(CALLER, "java");
            call.start(this, metadata);
            call.request(Integer.MAX_VALUE);
            send();
        }

        private void send() {
            while (sent < words.size()) {
                call.sendMessage(StringValue.of(words.get(sent++)));
                if (inTurn && sent < words.size()) {
                    return;
                }
            }
            call.halfClose();
        }

        @Override
        public void onMessage(StringValue message) {
            received.add(message.getValue());
            if (inTurn && sent < words.size()) {
                send();
            }
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            this.status = status;
            this.trailers = trailers;
            ended.countDown();
        }

        void check(String kind) throws InterruptedException {
            ended.await();
            String got = String.join(" ", received);
            if (!status.isOk() || !got.equals(TEXT) || !"java".equals(trailers.get(CALLED_BY))) {
                throw new IllegalStateException(kind + ": " + status + ", got \"" + got + "\", trailers " + trailers);
            }
            System.out.println(kind + " ok");
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        ManagedChannel channel =
                NettyChannelBuilder.forTarget(arguments[0]).overrideAuthority(arguments[1]).usePlaintext().build();
        List<String> whole = List.of(TEXT);
        List<String> words = List.of(TEXT.split(" "));
        try {
            new Call(channel, "Unary", MethodType.UNARY, whole, false).check("unary");
            new Call(channel, "Split", MethodType.SERVER_STREAMING, whole, false).check("server streaming");
            new Call(channel, "Join", MethodType.CLIENT_STREAMING, words, false).check("client streaming");
            new Call(channel, "Chat", MethodType.BIDI_STREAMING, words, true).check("bidirectional");
        } finally {
            channel.shutdownNow();
        }
    }
}
