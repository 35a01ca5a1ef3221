/* The bytes of gRPC inside HTTP/2, without HTTP/2: what a header says, how a
 * message lies in a body, and protobuf with a bound. Pure functions; any thread. */
#ifndef MOUNTD_CSI_WIRE_H
#define MOUNTD_CSI_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_PREFIX       5          /* compressed flag, length */
#define WIRE_MESSAGE_MAX  (4u << 20) /* bytes of a request */
#define WIRE_UNPACKED_MAX (16u << 20) /* bytes that its objects may take in memory */

/* The status codes of gRPC. */
enum grpc_status {
	GRPC_OK = 0, GRPC_CANCELLED = 1, GRPC_UNKNOWN = 2, GRPC_INVALID_ARGUMENT = 3,
	GRPC_DEADLINE_EXCEEDED = 4, GRPC_NOT_FOUND = 5, GRPC_ALREADY_EXISTS = 6,
	GRPC_PERMISSION_DENIED = 7, GRPC_RESOURCE_EXHAUSTED = 8, GRPC_FAILED_PRECONDITION = 9,
	GRPC_ABORTED = 10, GRPC_OUT_OF_RANGE = 11, GRPC_UNIMPLEMENTED = 12, GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14, GRPC_DATA_LOSS = 15, GRPC_UNAUTHENTICATED = 16
};
#define GRPC_NCODES 17
/* "NOT_FOUND"; never NULL. */
const char *grpc_status_name(enum grpc_status s);

/* "application/grpc", also with "+proto" or parameters. Not "+json": only protobuf is spoken. */
bool wire_is_grpc(const char *content_type, size_t len);
/* grpc-timeout: one to eight digits and one of H M S m u n. 0 and nanoseconds, or -EINVAL. */
int wire_timeout(const char *text, size_t len, int64_t *ret_ns);
/* The one message of a whole body. GRPC_OK and where it lies, or how the call
 * ends, with the reason. */
enum grpc_status wire_message(const uint8_t *body, size_t len, const uint8_t **ret, size_t *ret_len,
			      const char **ret_why);
void wire_prefix(uint8_t out[WIRE_PREFIX], size_t message_len);
/* Percent-encodes a text for grpc-message; cut where out is full, never inside an
 * escape. Returns the bytes written, without the NUL. */
size_t wire_escape(char *out, size_t len, const char *text);

/* protobuf with a bound on the memory that a message may take: a small one can
 * hold millions of empty parts. Refuses texts that are not UTF-8; one with a NUL
 * inside ends there. GRPC_OK and *ret, freed by wire_unpacked_free(); else the reason. */
enum grpc_status wire_unpack(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t len,
			     ProtobufCMessage **ret, const char **ret_why);
void wire_unpacked_free(ProtobufCMessage *m);

#endif
