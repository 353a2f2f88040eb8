// A barrier of the workgroup, behind which one invocation can release what all of them wrote to nonprivate buffers, and all see what
// one has acquired.
const int GATHERED = gl_SemanticsAcquireRelease | gl_SemanticsMakeAvailable | gl_SemanticsMakeVisible;
#define GATHER() controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsBuffer | gl_StorageSemanticsShared, GATHERED)
